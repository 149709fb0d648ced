"""The journals of a data folder: finding them, judging them, sealing what dead writers left."""

import logging
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM
from tasuki.errors import DataError, UnrecognizedFile
from tasuki.journal.disk_reserve import RESERVE_SUFFIX
from tasuki.journal.header import JournalHeader, read_header
from tasuki.journal.liveness import LOCK_SUFFIX, Liveness, claim, judge, lock_file, remove_if_free
from tasuki.journal.reader import JournalReader, open_view
from tasuki.journal.seal import DAMAGED_SUFFIX, seal
from tasuki.journal.writer import DRAFT_SUFFIX, SUFFIX
from tasuki.names import folder_name

__all__ = ["JournalFileInfo", "JournalFolder", "UnreadableJournal"]

ABANDONED_US = 3_600_000_000
log = logging.getLogger("tasuki.journal")


class JournalFileInfo(NamedTuple):
    """A journal file as found: its header and how many bytes of frames it has."""

    path: Path
    header: JournalHeader
    size: int

    @property
    def sealed(self) -> bool:
        """The stream has ended."""
        return self.header.sealed


class UnreadableJournal(NamedTuple):
    """A file that can't be read as a journal, and why."""

    path: Path
    reason: str


class JournalFolder:
    """`root` holds a folder per project; `lock_root` their locks (the same folder, unless the journal lies elsewhere)."""

    def __init__(self, root: Path, lock_root: Path | None = None) -> None:
        self.root = root
        self.lock_root = lock_root or root
        self.headers: dict[str, tuple[int, JournalHeader, int]] = {}
        self.swept = False

    def project_folder(self, project: str) -> Path:
        """Where a project's journals lie."""
        return self.root / folder_name(project)

    def lock_folder(self, project: str) -> Path:
        """Where the locks of a project's writers lie."""
        return self.lock_root / folder_name(project)

    def lock_of(self, path: Path) -> Path:
        """The lock that belongs to a journal file."""
        return lock_file(self.lock_root / path.parent.name, path.stem)

    def files(self, suffix: str = SUFFIX, *, project: str | None = None, known: Collection[str] = ()) -> Iterator[Path]:
        """Every file of a kind but those `known` by writer id, project by project, or those of one project."""
        cut = -len(suffix)
        try:
            folders = [self.project_folder(project)] if project else sorted(path for path in self.root.iterdir() if path.is_dir())
            for folder in folders:
                with os.scandir(folder) as entries:
                    names = sorted(name for entry in entries if (name := entry.name).endswith(suffix) and name[:cut] not in known)
                yield from (folder / name for name in names)
        except FileNotFoundError:
            return

    def journals(self, *, known: Collection[str] = (), project: str | None = None) -> Iterator[JournalFileInfo]:
        """Every readable journal but those `known` by writer id; the others are in `refused()`."""
        for path in self.files(project=project, known=known):
            found = self.look(path)
            if isinstance(found, JournalFileInfo):
                yield found

    def refused(self) -> list[UnreadableJournal]:
        """Files that can't be read as journals."""
        return [found for path in self.files() if isinstance(found := self.look(path), UnreadableJournal)]

    def damaged(self) -> list[Path]:
        """Originals that were put aside because of damage."""
        return list(self.files(DAMAGED_SUFFIX))

    def look(self, path: Path) -> JournalFileInfo | UnreadableJournal | None:
        """One file's header and size, from memory where the file is the same; None if it is gone."""
        try:
            stat = path.stat()
            inode, header, body = self.headers.get(path.stem, (0, None, 0))
            if header is None or inode != stat.st_ino:
                with path.open("rb") as file:
                    header, body = read_header(file, path)
                    stat = os.fstat(file.fileno())
                self.headers[path.stem] = (stat.st_ino, header, body)
        except FileNotFoundError:
            return None
        except (UnrecognizedFile, DataError) as error:
            return UnreadableJournal(path, error.message)
        return JournalFileInfo(path, header, header.end if header.end is not None else stat.st_size - body)

    def view(self, journal: JournalFileInfo) -> JournalReader:
        """The journal, open for reading."""
        return open_view(journal.path)

    def find(self, writer: str) -> JournalFileInfo | None:
        """A journal by its writer's id."""
        for path in self.root.glob(f"*/{writer}{SUFFIX}"):
            found = self.look(path)
            if isinstance(found, JournalFileInfo):
                return found
        return None

    def judge(self, journal: JournalFileInfo) -> Liveness:
        """Whether the journal's owner may still write: a sealed one's can't."""
        return Liveness.DEAD if journal.sealed else judge(journal.header, self.lock_of(journal.path))

    def tend(self, *, known: Collection[str] = ()) -> list[str]:
        """Seal what dead writers left and remove their locks and reserves; returns the writers that were sealed."""
        if not self.swept:
            self.swept = True
            self.sweep()
        sealed = []
        for journal in list(self.journals(known=known)):
            if not journal.sealed and self.seal_dead(journal):
                sealed.append(journal.header.writer)
        return sealed

    def sweep(self) -> None:
        """Remove what openings that were cut short an hour ago have left: files of writers that have no live journal."""
        locks = JournalFolder(self.lock_root)
        for path in (*self.files(DRAFT_SUFFIX), *self.files(RESERVE_SUFFIX), *locks.files(LOCK_SUFFIX)):
            with suppress(OSError):
                is_old = path.stat().st_mtime * 1_000_000 < SYSTEM.now_us() - ABANDONED_US
                journal = self.look(self.root / path.parent.name / f"{path.stem}{SUFFIX}") if is_old else None
                if is_old and not (isinstance(journal, JournalFileInfo) and not journal.sealed):
                    remove_if_free(path) if path.suffix == LOCK_SUFFIX else path.unlink()

    def seal_dead(self, journal: JournalFileInfo) -> bool:
        """Seal one journal if its owner is dead. A folder that can't be written is left as it is."""
        lock = self.lock_of(journal.path)
        try:
            with claim(journal.header, lock) as claimed:
                if not claimed:
                    return False
                seal(journal.path)
                lock.unlink(missing_ok=True)
                journal.path.with_suffix(RESERVE_SUFFIX).unlink(missing_ok=True)
        except OSError as error:
            log.warning("a dead writer's journal can't be sealed: %s: %s", journal.path, error)
            return False
        return True
