"""Record outputs of jobs as they grow.

Stdout becomes the job's log, metrics become a run linked to the job.

A run grows while its job does, and has each point once, whoever looks at the host and how often; it runs no longer than that.
"""

import logging
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import NotFound, TasukiError
from tasuki.hpc.live_outputs import STDOUT, OutputPiece, WatchedAttempt
from tasuki.hpc.profiles import StepMetrics
from tasuki.jobs.queue.observations import hpc_id, profile_of, site_of
from tasuki.jobs.storage.file_lease import held
from tasuki.jobs.storage.log_store import LogStore, job_folder
from tasuki.journal import Appender, JournalFolder
from tasuki.records import Job, JobStatus, Metrics, RunStarted, RunStatus, Status, encode
from tasuki.settings import Settings
from tasuki.store import LocalStore

__all__ = ["PROJECT", "OutputRecorder"]

PROJECT = "hpc"
"""Where runs of jobs are recorded of which nothing else was said when they were submitted."""
OUTPUTS = "outputs"
SMALL_BYTES = 64 << 20
"""Larger outputs are fetched, and not read for metrics."""
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.05
ENDS = {JobStatus.COMPLETED: Status.FINISHED, JobStatus.FAILED: Status.FAILED, JobStatus.CANCELLED: Status.FAILED}
log = logging.getLogger("tasuki.jobs")


class OutputRecorder:
    """Records outputs of the jobs of one data folder. Its calls block; any thread may call them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.logs = LogStore(settings.dir)
        self.appenders: dict[str, Appender] = {}
        """Of runs that grow: a file for each is enough."""

    def close(self) -> None:
        """Close the runs' journals; a later call opens others."""
        while self.appenders:
            self.appenders.popitem()[1].close()

    # -- while jobs run

    def watched(self, jobs: Iterable[Job]) -> list[WatchedAttempt]:
        """Return how much of each output is stored here, so that only the rest is read. In random order."""
        found = [self.watched_of(job) for job in jobs]
        random.shuffle(found)
        return found

    def watched_of(self, job: Job) -> WatchedAttempt:
        """Return how much of one job's outputs is stored here."""
        offsets = {name: size_of(self.path(job, name)) for name in profile_of(job).grows}
        return WatchedAttempt(hpc_id(job), job.attempt, {STDOUT: self.logs.size(job)} | offsets)

    def take(self, jobs: Sequence[Job], pieces: Iterable[OutputPiece]) -> set[str]:
        """Store new output and record metrics from it. Return the ids of jobs with more output to read.

        What can't be kept of a job can be had again: it holds up nothing else.
        """
        by_job: dict[tuple[str, int], list[OutputPiece]] = defaultdict(list)
        for piece in pieces:
            by_job[piece.job, piece.attempt].append(piece)
        more: set[str] = set()
        for job in jobs:
            found = by_job.get((hpc_id(job), job.attempt), [])
            try:
                with self.held(job) as is_ours:
                    if is_ours and self.take_one(job, found):
                        more.add(job.id)
            except (TasukiError, OSError) as error:
                log.warning("what job %s has written can't be kept now: %s", job.id, error)
        return more

    def take_one(self, job: Job, pieces: Iterable[OutputPiece]) -> bool:
        """Store new output of one job and record metrics from it. Return whether there is more."""
        more = False
        for piece in pieces:
            self.keep(job, piece)
            more |= piece.offset + len(piece.data) < piece.size
        paths = {name: path for name in profile_of(job).grows if (path := self.path(job, name)).exists()}
        seen = " ".join([*(str(size_of(path)) for path in paths.values()), job.status])
        note = self.path(job, "recorded")
        if paths and (not note.exists() or note.read_text() != seen):
            self.record(job, {name: text_of(path, job) for name, path in paths.items()})
            note.write_text(seen)
        return more

    def keep(self, job: Job, piece: OutputPiece) -> None:
        """Append a piece to the stored output."""
        if piece.name == STDOUT:
            self.logs.extend(job.id, job.attempt, piece.offset, piece.data)
            return
        path = self.path(job, piece.name)
        if piece.offset != size_of(path):
            return  # somebody else has been faster
        if piece.size < piece.offset:
            path.unlink()  # it was begun anew over there
        elif piece.data:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(piece.data)

    # -- when results are here

    def fetched(self, job: Job, folder: Path) -> None:
        """Record points of fetched results. Raise TimeoutError if another process holds the outputs for long."""
        names = [name for name in profile_of(job).reads if 0 < size_of(folder / name) <= SMALL_BYTES]
        deadline = SYSTEM_CLOCK.monotonic() + PATIENCE_SECONDS
        while True:
            with self.held(job) as is_ours:
                if is_ours:
                    if size_of(folder / STDOUT):
                        self.logs.extend(job.id, job.attempt, 0, (folder / STDOUT).read_bytes())
                    self.record(job, {name: text_of(folder / name, job) for name in names})
                    return
            if SYSTEM_CLOCK.monotonic() > deadline:
                raise TimeoutError(f"another process is at the outputs of job {job.id}")
            SYSTEM_CLOCK.sleep(PAUSE_SECONDS)

    # -- runs

    def record(self, job: Job, texts: Mapping[str, str]) -> None:
        """Record points that the attempt's run lacks, and its end."""
        points = profile_of(job).read(texts).points
        if not points:
            return
        project = str(job.metadata.get("project") or PROJECT)
        run = f"{job.id}.{job.attempt}" if job.attempt > 1 else job.id
        with LocalStore(self.settings) as store:
            try:
                row = store.run(project, run)
            except NotFound:
                row = None
            summaries = [] if row is None else store.summaries(project, [run])
        new = [point for point in points if point.step > max((one.last_step for one in summaries), default=-1)]
        is_open = row is None or row.ended is None
        if new or row is None or (job.status.is_final and is_open):
            self.append(job, project, run, new)

    def append(self, job: Job, project: str, run: str, points: Iterable[StepMetrics]) -> None:
        """Append points to a run, and its end if the job has ended."""
        appender = self.appender(job, project, run)
        for point in points:
            appender.append(encode(Metrics(time=SYSTEM_CLOCK.now_us(), step=point.step, values=dict(point.values))))
        if job.status.is_final:
            status = ENDS[job.status]
            reason = (job.error_message or job.status) if status is Status.FAILED else None
            appender.append(encode(RunStatus(time=SYSTEM_CLOCK.now_us(), attempt=attempt_of(job), status=status, reason=reason)))
            self.appenders.pop(run).close()

    def appender(self, job: Job, project: str, run: str) -> Appender:
        """Open the journal of a run that is recorded here; it says that the run goes on."""
        if run not in self.appenders:
            started = RunStarted(
                time=SYSTEM_CLOCK.now_us(),
                attempt=attempt_of(job),
                name=job.config_name,
                config={"job": job.id, "profile": profile_of(job).name, "host": site_of(job)},
                environment={"job": job.id, "job_attempt": job.attempt, "scheduler_id": job.metadata.get("scheduler_id")},
            )
            runs = RunStatus(time=SYSTEM_CLOCK.now_us(), attempt=attempt_of(job), status=Status.RUNNING)
            folder = JournalFolder(self.settings.journal_root, self.settings.lock_root)
            self.appenders[run] = Appender(
                project=project, run=run, folder=folder.project_folder(project), lock_folder=folder.lock_folder(project),
                opening_payloads=lambda: [encode(started), encode(runs)],
            )  # fmt: skip
            self.appenders[run].open()
        return self.appenders[run]

    # -- how

    def path(self, job: Job, name: str) -> Path:
        """Return where an output of the latest attempt is stored."""
        return job_folder(self.settings.dir, job.id) / str(job.attempt) / OUTPUTS / name

    def held(self, job: Job) -> AbstractContextManager[bool]:
        """Take the lock on a job's outputs; yield whether this process holds it."""
        return held(job_folder(self.settings.dir, job.id) / "outputs.lock")


def attempt_of(job: Job) -> str:
    """Return the attempt id of the run that belongs to a job's attempt."""
    return f"{job.id}{job.attempt:04d}"


def size_of(path: Path) -> int:
    """Return a file's size; 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def text_of(path: Path, job: Job) -> str:
    """Return a file's text; while the job runs, without an incomplete last line."""
    text = path.read_text(errors="replace")
    return text if job.status.is_final else text[: text.rfind("\n") + 1]
