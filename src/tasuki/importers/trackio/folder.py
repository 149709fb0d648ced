"""A trackio folder: a database per project, and the inbox."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import Conflict, DataError, LocksUnsupported
from tasuki.file_locks import acquire_file_lock
from tasuki.importers.trackio.inbox import InboxFile, iter_inbox_files, read_lines
from tasuki.importers.trackio.inbox_dedup import SeenIds
from tasuki.importers.trackio.project_source import ProjectSource
from tasuki.importers.trackio.row_mapping import compute_digest, map_project_name

__all__ = ["PendingProject", "TrackioFolder", "list_databases"]

DATABASE_SUFFIX = ".db"
REGISTRY_PREFIX = "registry-"
"""What the databases begin with in which trackio keeps no runs."""


class PendingProject(NamedTuple):
    """A project with data that has not arrived yet, or the error that prevents reading it."""

    name: str
    source: ProjectSource | None
    error: Exception | None = None


def list_databases(folder: Path) -> list[Path]:
    """Return the databases with runs. Raise OSError if the folder cannot be read."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(DATABASE_SUFFIX)]
    return [folder / name for name in sorted(names) if not name.startswith((REGISTRY_PREFIX, "."))]


class TrackioFolder:
    """A trackio folder. `state`: our folder for private copies and inbox ids, for the receiver `to`.

    Close it when done.
    """

    def __init__(self, folder: Path, state: Path, *, destination: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self.folder = folder
        self.work_folder, self.work_lock = create_work_folder(state)
        self.clock = clock
        self.seen_ids = SeenIds(state / f"inbox-{compute_digest(destination)[:12]}.db")
        self.projects: dict[str, ProjectSource] = {}
        self.inbox_progress: dict[str, tuple[int, int]] = {}
        """By name of a fragment: how long it was, and how many of its lines were taken."""

    def close(self) -> None:
        """Close all files."""
        for project in self.projects.values():
            project.close()
        self.seen_ids.close()
        shutil.rmtree(self.work_folder, ignore_errors=True)
        os.close(self.work_lock)

    def reset(self) -> None:
        """Rebuild all streams: the receiver may need them from the start."""
        self.inbox_progress.clear()
        for project in self.projects.values():
            project.reset()

    def get_project(self, name: str) -> ProjectSource:
        """Return a project by name."""
        if name not in self.projects:
            self.projects[name] = ProjectSource(name, self.work_folder, self.seen_ids, clock=self.clock)
        return self.projects[name]

    def iter_pending_projects(self) -> Iterator[PendingProject]:
        """Yield the projects with new data, by name."""
        for path in list_databases(self.folder):
            self.get_project(map_project_name(path.stem)).path = path
        failed = [PendingProject(name, None, error) for name, error in self.read_inbox()]
        for name, project in sorted(self.projects.items()):
            try:
                if project.has_undelivered or project.has_changed:
                    yield PendingProject(name, project)
            except (OSError, DataError) as error:
                yield PendingProject(name, None, error)
        yield from failed

    def read_inbox(self) -> Iterator[tuple[str, Exception]]:
        """Give each project its new inbox lines; yield the files that cannot be read."""
        for fragment in iter_inbox_files(self.folder):
            size, taken = self.inbox_progress.get(fragment.name, (-1, 0))
            if fragment.size != size:
                try:
                    self.distribute_lines(fragment, taken)
                except OSError as error:
                    yield "inbox", error

    def distribute_lines(self, inbox_file: InboxFile, lines_read: int) -> None:
        """Add a file's lines after those already taken."""
        lines = read_lines(inbox_file)
        for name in sorted({line.project for line in lines[lines_read:]}):
            self.get_project(name).new_lines.append((inbox_file, [line for line in lines[lines_read:] if line.project == name]))
        self.inbox_progress[inbox_file.name] = inbox_file.size, max(len(lines), lines_read)


def create_work_folder(state: Path) -> tuple[Path, int]:
    """Make and lock a folder for private copies; remove those of dead processes.

    Raise LocksUnsupported if the file system has no locks: another process would remove the folder.
    """
    copies = state / "copies"
    copies.mkdir(parents=True, exist_ok=True)
    for left in copies.iterdir():
        with suppress(LocksUnsupported):
            if (held := try_lock_folder(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(held)
    made = Path(tempfile.mkdtemp(dir=copies))
    held = try_lock_folder(made)
    if held is None:
        raise Conflict(f"another process removes {made}", hint="start it again")
    return made, held


def try_lock_folder(folder: Path) -> int | None:
    """Return a descriptor that locks a folder until it is closed, or None if the folder is locked or gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        is_ours = acquire_file_lock(descriptor, folder)
    except BaseException:
        os.close(descriptor)
        raise
    if is_ours:
        return descriptor
    os.close(descriptor)
    return None
