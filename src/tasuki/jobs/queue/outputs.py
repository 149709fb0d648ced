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
from tasuki.hpc.live_outputs import STDOUT_FILE, OutputPiece, WatchedAttempt
from tasuki.hpc.profiles import StepMetrics
from tasuki.jobs.queue.observations import get_host_name, get_hpc_id, get_profile
from tasuki.jobs.storage.file_lease import try_lease
from tasuki.jobs.storage.log_store import LogStore, get_job_folder
from tasuki.journal import Appender, JournalFolder
from tasuki.records import Job, JobStatus, Metrics, RunStarted, RunStatus, Status, encode
from tasuki.settings import Settings
from tasuki.store import LocalStore

__all__ = ["DEFAULT_PROJECT", "OutputRecorder"]

DEFAULT_PROJECT = "hpc"
"""Where runs of jobs are recorded of which nothing else was said when they were submitted."""
OUTPUTS_FOLDER = "outputs"
MAX_PARSED_BYTES = 64 << 20
"""Larger outputs are fetched, and not read for metrics."""
LOCK_TIMEOUT_SECONDS = 10.0
LOCK_RETRY_SECONDS = 0.05
RUN_STATUSES = {JobStatus.COMPLETED: Status.FINISHED, JobStatus.FAILED: Status.FAILED, JobStatus.CANCELLED: Status.FAILED}
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

    def list_watched_attempts(self, jobs: Iterable[Job]) -> list[WatchedAttempt]:
        """Return how much of each output is stored here, so that only the rest is read. In random order."""
        found = [self.build_watched_attempt(job) for job in jobs]
        random.shuffle(found)
        return found

    def build_watched_attempt(self, job: Job) -> WatchedAttempt:
        """Return how much of one job's outputs is stored here."""
        offsets = {name: get_file_size(self.get_output_path(job, name)) for name in get_profile(job).growing_outputs}
        return WatchedAttempt(get_hpc_id(job), job.attempt, {STDOUT_FILE: self.logs.get_size(job)} | offsets)

    def record_pieces(self, jobs: Sequence[Job], pieces: Iterable[OutputPiece]) -> set[str]:
        """Store new output and record metrics from it. Return the ids of jobs with more output to read.

        What can't be kept of a job can be had again: it holds up nothing else.
        """
        by_job: dict[tuple[str, int], list[OutputPiece]] = defaultdict(list)
        for piece in pieces:
            by_job[piece.job, piece.attempt].append(piece)
        more: set[str] = set()
        for job in jobs:
            found = by_job.get((get_hpc_id(job), job.attempt), [])
            try:
                with self.lock_outputs(job) as is_ours:
                    if is_ours and self.record_job_pieces(job, found):
                        more.add(job.id)
            except (TasukiError, OSError) as error:
                log.warning("what job %s has written can't be kept now: %s", job.id, error)
        return more

    def record_job_pieces(self, job: Job, pieces: Iterable[OutputPiece]) -> bool:
        """Store new output of one job and record metrics from it. Return whether there is more."""
        more = False
        for piece in pieces:
            self.store_piece(job, piece)
            more |= piece.offset + len(piece.data) < piece.size
        paths = {name: path for name in get_profile(job).growing_outputs if (path := self.get_output_path(job, name)).exists()}
        seen = " ".join([*(str(get_file_size(path)) for path in paths.values()), job.status])
        note = self.get_output_path(job, "recorded")
        if paths and (not note.exists() or note.read_text() != seen):
            self.record_run(job, {name: read_text(path, job) for name, path in paths.items()})
            note.write_text(seen)
        return more

    def store_piece(self, job: Job, piece: OutputPiece) -> None:
        """Append a piece to the stored output."""
        if piece.name == STDOUT_FILE:
            self.logs.extend(job.id, job.attempt, piece.offset, piece.data)
            return
        path = self.get_output_path(job, piece.name)
        if piece.offset != get_file_size(path):
            return  # somebody else has been faster
        if piece.size < piece.offset:
            path.unlink()  # it was begun anew over there
        elif piece.data:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(piece.data)

    # -- when results are here

    def record_results(self, job: Job, folder: Path) -> None:
        """Record points of fetched results. Raise TimeoutError if another process holds the outputs for long."""
        names = [name for name in get_profile(job).parsed_outputs if 0 < get_file_size(folder / name) <= MAX_PARSED_BYTES]
        deadline = SYSTEM_CLOCK.monotonic() + LOCK_TIMEOUT_SECONDS
        while True:
            with self.lock_outputs(job) as is_ours:
                if is_ours:
                    if get_file_size(folder / STDOUT_FILE):
                        self.logs.extend(job.id, job.attempt, 0, (folder / STDOUT_FILE).read_bytes())
                    self.record_run(job, {name: read_text(folder / name, job) for name in names})
                    return
            if SYSTEM_CLOCK.monotonic() > deadline:
                raise TimeoutError(f"another process is at the outputs of job {job.id}")
            SYSTEM_CLOCK.sleep(LOCK_RETRY_SECONDS)

    # -- runs

    def record_run(self, job: Job, texts: Mapping[str, str]) -> None:
        """Record points that the attempt's run lacks, and its end."""
        points = get_profile(job).parse_outputs(texts).steps
        if not points:
            return
        project = str(job.metadata.get("project") or DEFAULT_PROJECT)
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
            self.append_to_run(job, project, run, new)

    def append_to_run(self, job: Job, project: str, run: str, steps: Iterable[StepMetrics]) -> None:
        """Append points to a run, and its end if the job has ended."""
        appender = self.get_appender(job, project, run)
        for point in steps:
            appender.append(encode(Metrics(time=SYSTEM_CLOCK.now_us(), step=point.step, values=dict(point.values))))
        if job.status.is_final:
            status = RUN_STATUSES[job.status]
            reason = (job.error_message or job.status) if status is Status.FAILED else None
            appender.append(
                encode(RunStatus(time=SYSTEM_CLOCK.now_us(), attempt=build_run_attempt_id(job), status=status, reason=reason))
            )
            self.appenders.pop(run).close()

    def get_appender(self, job: Job, project: str, run: str) -> Appender:
        """Open the journal of a run that is recorded here; it says that the run goes on."""
        if run not in self.appenders:
            started = RunStarted(
                time=SYSTEM_CLOCK.now_us(),
                attempt=build_run_attempt_id(job),
                name=job.config_name,
                config={"job": job.id, "profile": get_profile(job).name, "host": get_host_name(job)},
                environment={"job": job.id, "job_attempt": job.attempt, "scheduler_id": job.metadata.get("scheduler_id")},
            )
            runs = RunStatus(time=SYSTEM_CLOCK.now_us(), attempt=build_run_attempt_id(job), status=Status.RUNNING)
            folder = JournalFolder(self.settings.journal_root, self.settings.lock_root)
            self.appenders[run] = Appender(
                project=project, run=run, folder=folder.project_folder(project), lock_folder=folder.lock_folder(project),
                opening_payloads=lambda: [encode(started), encode(runs)],
            )  # fmt: skip
            self.appenders[run].open()
        return self.appenders[run]

    # -- how

    def get_output_path(self, job: Job, name: str) -> Path:
        """Return where an output of the latest attempt is stored."""
        return get_job_folder(self.settings.dir, job.id) / str(job.attempt) / OUTPUTS_FOLDER / name

    def lock_outputs(self, job: Job) -> AbstractContextManager[bool]:
        """Take the lock on a job's outputs; yield whether this process holds it."""
        return try_lease(get_job_folder(self.settings.dir, job.id) / "outputs.lock")


def build_run_attempt_id(job: Job) -> str:
    """Return the attempt id of the run that belongs to a job's attempt."""
    return f"{job.id}{job.attempt:04d}"


def get_file_size(path: Path) -> int:
    """Return a file's size; 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def read_text(path: Path, job: Job) -> str:
    """Return a file's text; while the job runs, without an incomplete last line."""
    text = path.read_text(errors="replace")
    return text if job.status.is_final else text[: text.rfind("\n") + 1]
