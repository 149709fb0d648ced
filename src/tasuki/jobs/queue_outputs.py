"""What calculations write, as it comes: their standard output is their log, and what outputs say is a run, with the job's id in it.

A run grows while its job does, is over when the job is, and has each point once, whoever looks at the host and how often.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tasuki.clock import SYSTEM
from tasuki.errors import NotFound
from tasuki.hpc.outputs import STDOUT, Piece, Watched
from tasuki.hpc.profiles import PROFILES, Point
from tasuki.jobs.logs import LogBook, job_folder
from tasuki.jobs.queue_seen import hpc_id, site_of
from tasuki.journal import Appender, Folder, take_lock
from tasuki.records import Job, JobStatus, Metrics, RunStarted, RunStatus, Status, encode
from tasuki.settings import Settings
from tasuki.store import LocalStore

__all__ = ["Outputs"]

PROJECT = "hpc"
OUTPUTS = "outputs"
SMALL_BYTES = 64 << 20
"""Larger outputs are fetched, and not read for metrics."""
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.05
ENDS = {JobStatus.COMPLETED: Status.FINISHED, JobStatus.FAILED: Status.FAILED, JobStatus.CANCELLED: Status.FAILED}


class Outputs:
    """Of the jobs of one data folder. Its calls block."""

    HERE = threading.Lock()
    """The locks of files are a process's, not a thread's."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.logs = LogBook(settings.dir)

    def watched(self, job: Job) -> Watched:
        """What is here of what a job writes: the rest can be asked for."""
        offsets = {name: size_of(self.path(job, name)) for name in PROFILES[profile_of(job)].grows}
        return Watched(hpc_id(job), job.attempt, {STDOUT: self.logs.size(job)} | offsets)

    def take(self, job: Job, pieces: Iterable[Piece]) -> bool:
        """Keep what came of a job, and record what it says, as the job is now. Whether there is more to be asked for."""
        name, more = hpc_id(job), False
        with self.held(job):
            for piece in pieces:
                if (piece.job, piece.attempt) == (name, job.attempt):
                    self.keep(job, piece)
                    more |= piece.offset + len(piece.data) < piece.size
            self.grow(job)
        return more

    def keep(self, job: Job, piece: Piece) -> None:
        """Put a piece behind what is here."""
        if piece.name == STDOUT:
            self.logs.extend(job.id, job.attempt, piece.offset, piece.data)
            return
        path = self.path(job, piece.name)
        if piece.size < size_of(path):
            path.unlink()  # it was begun anew over there
        elif piece.offset == size_of(path) and piece.data:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(piece.data)

    def grow(self, job: Job) -> None:
        """Record what the outputs that are here say, unless nothing is new in them."""
        paths = {name: path for name in PROFILES[profile_of(job)].grows if (path := self.path(job, name)).exists()}
        if not paths:
            return
        seen = " ".join([*(str(size_of(path)) for path in paths.values()), str(job.status.is_final)])
        note = self.path(job, "recorded")
        if not note.exists() or note.read_text() != seen:
            self.record(job, {name: whole_lines(path, job) for name, path in paths.items()})
            note.write_text(seen)

    def fetched(self, job: Job, folder: Path) -> None:
        """Record what results say that were fetched."""
        names = [name for name in PROFILES[profile_of(job)].reads if 0 < size_of(folder / name) <= SMALL_BYTES]
        with self.held(job):
            if size_of(folder / STDOUT):
                self.logs.extend(job.id, job.attempt, 0, (folder / STDOUT).read_bytes())
            self.record(job, {name: (folder / name).read_text(errors="replace") for name in names})

    def record(self, job: Job, texts: Mapping[str, str]) -> None:
        """Record those points of an attempt's run that are not, and its end."""
        points = PROFILES[profile_of(job)].read(texts).points
        if not points:
            return
        project = str(job.metadata.get("project") or self.settings.project or PROJECT)
        run = f"{job.id}.{job.attempt}" if job.attempt > 1 else job.id
        with LocalStore(self.settings) as store:
            try:
                row = store.run(project, run)
            except NotFound:
                row = None
            summaries = [] if row is None else store.summaries(project, [run])
        new = [point for point in points if point.step > max((one.last_step for one in summaries), default=-1)]
        if new or row is None or (job.status.is_final and not row.status.is_final):
            self.append(job, project, run, new)

    def append(self, job: Job, project: str, run: str, points: Iterable[Point]) -> None:
        """Append to a run: it goes on as long as its job does, whoever writes it."""
        started = RunStarted(
            time=SYSTEM.now_us(),
            attempt=f"{job.id}{job.attempt:04d}",
            name=job.config_name,
            config={"job": job.id, "profile": profile_of(job), "host": site_of(job)},
            environment={"job": job.id, "scheduler_id": job.metadata.get("scheduler_id")},
        )
        folder = Folder(self.settings.journal_root, self.settings.lock_root)
        appender = Appender(
            project=project, run=run, folder=folder.project_folder(project), lock_folder=folder.lock_folder(project),
            opening=lambda: [encode(started)],
        )  # fmt: skip
        status = ENDS.get(job.status, Status.RUNNING)
        reason = (job.error_message or job.status) if status is Status.FAILED else None
        try:
            appender.open()
            for point in points:
                appender.append(encode(Metrics(time=SYSTEM.now_us(), step=point.step, values=dict(point.values))))
            appender.append(encode(RunStatus(time=SYSTEM.now_us(), attempt=started.attempt, status=status, reason=reason)))
        finally:
            appender.close()

    def path(self, job: Job, name: str) -> Path:
        """Where what is known of an output of the latest attempt is kept."""
        return job_folder(self.settings.dir, job.id) / str(job.attempt) / OUTPUTS / name

    @contextmanager
    def held(self, job: Job) -> Iterator[None]:
        """For the block, nobody else adds to a job's outputs. TimeoutError where somebody does so for long."""
        path = job_folder(self.settings.dir, job.id) / "outputs.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        deadline = SYSTEM.monotonic() + PATIENCE_SECONDS
        with self.HERE:
            while (descriptor := take_lock(path)) is None:
                if SYSTEM.monotonic() > deadline:
                    raise TimeoutError(f"another process is at the outputs of job {job.id}")
                SYSTEM.sleep(PAUSE_SECONDS)
            try:
                yield
            finally:
                os.close(descriptor)


def profile_of(job: Job) -> str:
    """The name of the kind of calculation that a job is."""
    return str(job.metadata.get("profile") or "command")


def size_of(path: Path) -> int:
    """A file's size; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def whole_lines(path: Path, job: Job) -> str:
    """A file's text; while its job runs, without a line that is still being written."""
    text = path.read_text(errors="replace")
    return text if job.status.is_final else text[: text.rfind("\n") + 1]
