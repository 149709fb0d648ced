"""A trackio folder: a database per project, and the inbox."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import Conflict, DataError, LocksUnsupported
from tasuki.file_locks import acquire_file_lock
from tasuki.importers.trackio.inbox import InboxFile, fragments, lines_of
from tasuki.importers.trackio.inbox_dedup import SeenIds
from tasuki.importers.trackio.project_source import ProjectSource
from tasuki.importers.trackio.row_mapping import digest, project_of

__all__ = ["PendingProject", "TrackioFolder", "databases"]

DATABASE_SUFFIX = ".db"
REGISTRY = "registry-"
"""What the databases begin with in which trackio keeps no runs."""


class PendingProject(NamedTuple):
    """A project with data that has not arrived yet, or the error that prevents reading it."""

    name: str
    project: ProjectSource | None
    error: Exception | None = None


def databases(folder: Path) -> list[Path]:
    """Return the databases with runs. Raise OSError if the folder cannot be read."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(DATABASE_SUFFIX)]
    return [folder / name for name in sorted(names) if not name.startswith((REGISTRY, "."))]


class TrackioFolder:
    """A trackio folder. `state`: our folder for private copies and inbox ids, for the receiver `to`.

    Close it when done.
    """

    def __init__(self, folder: Path, state: Path, *, to: str, clock: Clock = SYSTEM) -> None:
        self.folder = folder
        self.work, self.held = work_folder(state)
        self.clock = clock
        self.delivered = SeenIds(state / f"inbox-{digest(to)[:12]}.db")
        self.projects: dict[str, ProjectSource] = {}
        self.taken: dict[str, tuple[int, int]] = {}
        """By name of a fragment: how long it was, and how many of its lines were taken."""

    def close(self) -> None:
        """Close all files."""
        for project in self.projects.values():
            project.close()
        self.delivered.close()
        shutil.rmtree(self.work, ignore_errors=True)
        os.close(self.held)

    def forget(self) -> None:
        """Rebuild all streams: the receiver may need them from the start."""
        self.taken.clear()
        for project in self.projects.values():
            project.forget()

    def project(self, name: str) -> ProjectSource:
        """Return a project by name."""
        if name not in self.projects:
            self.projects[name] = ProjectSource(name, self.work, self.delivered, clock=self.clock)
        return self.projects[name]

    def look(self) -> Iterator[PendingProject]:
        """Yield the projects with new data, by name."""
        for path in databases(self.folder):
            self.project(project_of(path.stem)).path = path
        failed = [PendingProject(name, None, error) for name, error in self.look_into_inbox()]
        for name, project in sorted(self.projects.items()):
            try:
                if project.owes or project.has_changed:
                    yield PendingProject(name, project)
            except (OSError, DataError) as error:
                yield PendingProject(name, None, error)
        yield from failed

    def look_into_inbox(self) -> Iterator[tuple[str, Exception]]:
        """Give each project its new inbox lines; yield the files that cannot be read."""
        for fragment in fragments(self.folder):
            size, taken = self.taken.get(fragment.name, (-1, 0))
            if fragment.size != size:
                try:
                    self.take(fragment, taken)
                except OSError as error:
                    yield "inbox", error

    def take(self, fragment: InboxFile, taken: int) -> None:
        """Add a file's lines after those already taken."""
        lines = lines_of(fragment)
        for name in sorted({line.project for line in lines[taken:]}):
            self.project(name).new_lines.append((fragment, [line for line in lines[taken:] if line.project == name]))
        self.taken[fragment.name] = fragment.size, max(len(lines), taken)


def work_folder(state: Path) -> tuple[Path, int]:
    """Make and lock a folder for private copies; remove those of dead processes.

    Raise LocksUnsupported if the file system has no locks: another process would remove the folder.
    """
    copies = state / "copies"
    copies.mkdir(parents=True, exist_ok=True)
    for left in copies.iterdir():
        with suppress(LocksUnsupported):
            if (held := hold(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(held)
    made = Path(tempfile.mkdtemp(dir=copies))
    held = hold(made)
    if held is None:
        raise Conflict(f"another process removes {made}", hint="start it again")
    return made, held


def hold(folder: Path) -> int | None:
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
