"""The journals of a data folder: finding them, judging them, sealing what dead writers left."""

import logging
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import DataError, UnrecognizedFile
from tasuki.journal.disk_reserve import RESERVE_SUFFIX
from tasuki.journal.header import JournalHeader, read_header
from tasuki.journal.liveness import LOCK_SUFFIX, Liveness, check_liveness, claim_dead_journal, remove_free_lock, writer_lock_path
from tasuki.journal.reader import JournalReader, open_journal
from tasuki.journal.seal import DAMAGED_SUFFIX, seal
from tasuki.journal.writer import DRAFT_SUFFIX, JOURNAL_SUFFIX
from tasuki.names import project_folder_name

__all__ = ["JournalFileInfo", "JournalFolder", "UnreadableJournal"]

ABANDONED_AFTER_US = 3_600_000_000
log = logging.getLogger("tasuki.journal")


class JournalFileInfo(NamedTuple):
    """A journal file as found: its header and how many bytes of frames it has."""

    path: Path
    header: JournalHeader
    size: int

    @property
    def is_sealed(self) -> bool:
        """The stream has ended."""
        return self.header.is_sealed


class UnreadableJournal(NamedTuple):
    """A file that can't be read as a journal, and why."""

    path: Path
    reason: str


class JournalFolder:
    """The journals of a data folder. `root` holds a folder per project; `lock_root` their locks."""

    def __init__(self, root: Path, lock_root: Path | None = None) -> None:
        self.root = root
        self.lock_root = lock_root or root
        self.header_cache: dict[str, tuple[int, JournalHeader, int]] = {}
        self.is_swept = False

    def project_folder(self, project: str) -> Path:
        """Return the folder of a project's journals."""
        return self.root / project_folder_name(project)

    def lock_folder(self, project: str) -> Path:
        """Return the folder of a project's locks."""
        return self.lock_root / project_folder_name(project)

    def lock_path(self, path: Path) -> Path:
        """The lock that belongs to a journal file."""
        return writer_lock_path(self.lock_root / path.parent.name, path.stem)

    def files(self, suffix: str = JOURNAL_SUFFIX, *, project: str | None = None, exclude: Collection[str] = ()) -> Iterator[Path]:
        """Every file of a kind but those `known` by writer id, project by project, or those of one project."""
        cut = -len(suffix)
        try:
            folders = [self.project_folder(project)] if project else sorted(path for path in self.root.iterdir() if path.is_dir())
            for folder in folders:
                with os.scandir(folder) as entries:
                    names = sorted(name for entry in entries if (name := entry.name).endswith(suffix) and name[:cut] not in exclude)
                yield from (folder / name for name in names)
        except FileNotFoundError:
            return

    def journals(self, *, exclude: Collection[str] = (), project: str | None = None) -> Iterator[JournalFileInfo]:
        """Every readable journal but those `known` by writer id; the others are in `refused()`."""
        for path in self.files(project=project, exclude=exclude):
            found = self.inspect_file(path)
            if isinstance(found, JournalFileInfo):
                yield found

    def unreadable_journals(self) -> list[UnreadableJournal]:
        """Files that can't be read as journals."""
        return [found for path in self.files() if isinstance(found := self.inspect_file(path), UnreadableJournal)]

    def damaged_files(self) -> list[Path]:
        """Originals that were put aside because of damage."""
        return list(self.files(DAMAGED_SUFFIX))

    def inspect_file(self, path: Path) -> JournalFileInfo | UnreadableJournal | None:
        """One file's header and size, from memory where the file is the same; None if it is gone."""
        try:
            stat = path.stat()
            inode, header, body = self.header_cache.get(path.stem, (0, None, 0))
            if header is None or inode != stat.st_ino:
                with path.open("rb") as file:
                    header, body = read_header(file, path)
                    stat = os.fstat(file.fileno())
                self.header_cache[path.stem] = (stat.st_ino, header, body)
        except FileNotFoundError:
            return None
        except (UnrecognizedFile, DataError) as error:
            return UnreadableJournal(path, error.message)
        return JournalFileInfo(path, header, header.end if header.end is not None else stat.st_size - body)

    def open_reader(self, journal: JournalFileInfo) -> JournalReader:
        """The journal, open for reading."""
        return open_journal(journal.path)

    def find(self, writer: str) -> JournalFileInfo | None:
        """A journal by its writer's id."""
        for path in self.root.glob(f"*/{writer}{JOURNAL_SUFFIX}"):
            found = self.inspect_file(path)
            if isinstance(found, JournalFileInfo):
                return found
        return None

    def check_liveness(self, journal: JournalFileInfo) -> Liveness:
        """Return the liveness of a journal's owner; a sealed journal is dead."""
        return Liveness.DEAD if journal.is_sealed else check_liveness(journal.header, self.lock_path(journal.path))

    def seal_dead_writers(self, *, exclude: Collection[str] = ()) -> list[str]:
        """Seal journals of dead writers and remove their locks and reserves; return the sealed writers."""
        if not self.is_swept:
            self.is_swept = True
            self.remove_abandoned_files()
        sealed = []
        for journal in list(self.journals(exclude=exclude)):
            if not journal.is_sealed and self.seal_if_dead(journal):
                sealed.append(journal.header.writer)
        return sealed

    def remove_abandoned_files(self) -> None:
        """Remove files of journals that were never completed, an hour after their creation."""
        locks = JournalFolder(self.lock_root)
        for path in (*self.files(DRAFT_SUFFIX), *self.files(RESERVE_SUFFIX), *locks.files(LOCK_SUFFIX)):
            with suppress(OSError):
                is_old = path.stat().st_mtime * 1_000_000 < SYSTEM_CLOCK.now_us() - ABANDONED_AFTER_US
                journal = self.inspect_file(self.root / path.parent.name / f"{path.stem}{JOURNAL_SUFFIX}") if is_old else None
                if is_old and not (isinstance(journal, JournalFileInfo) and not journal.is_sealed):
                    remove_free_lock(path) if path.suffix == LOCK_SUFFIX else path.unlink()

    def seal_if_dead(self, journal: JournalFileInfo) -> bool:
        """Seal one journal if its owner is dead. A folder that can't be written is left as it is."""
        lock = self.lock_path(journal.path)
        try:
            with claim_dead_journal(journal.header, lock) as claimed:
                if not claimed:
                    return False
                seal(journal.path)
                lock.unlink(missing_ok=True)
                journal.path.with_suffix(RESERVE_SUFFIX).unlink(missing_ok=True)
        except OSError as error:
            log.warning("a dead writer's journal can't be sealed: %s: %s", journal.path, error)
            return False
        return True
