"""A run as the process that makes it sees it."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from math import fsum
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from zlib_ng.zlib_ng import crc32

from tasuki.clock import SYSTEM_CLOCK, wall_ns
from tasuki.errors import ConfigError, warn_user
from tasuki.journal import Appender, JournalFolder, stop_file_path
from tasuki.records import (
    MAX_PAYLOAD_BYTES,
    Alert,
    AlertLevel,
    AttemptRef,
    Heartbeat,
    RunProgress,
    RunStarted,
    RunStatus,
    RunText,
    RunUpdated,
    Status,
    StopCommand,
    encode,
    encode_metrics,
    encode_parts,
)
from tasuki.relay import SendCounts
from tasuki.sdk.capture.sampler import SystemSampler
from tasuki.sdk.notes import NotesMixin, NoteWriter
from tasuki.sdk.process_state import FINISH_DRAIN_SECONDS, PROCESS
from tasuki.sdk.progress_loop import ProgressLoop
from tasuki.sdk.run_config import Config
from tasuki.sdk.saved_files import build_file_record
from tasuki.sdk.stop_signal import Stop, StopSignal
from tasuki.sdk.value_conversion import (
    MAX_INT64,
    convert_metrics,
    describe_error,
    parse_alert_level,
    parse_step,
    to_config_dict,
    to_text_or_none,
)
from tasuki.sdk.value_conversion import to_text as text_of
from tasuki.sdk.watchers import Watcher, WatcherFinding, Watchers
from tasuki.settings import Settings

__all__ = ["Run"]

T = TypeVar("T")
DIFF_WAIT_SECONDS = 0.3
ENCODING_ERRORS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError, Warning)
"""What encoding odd values may raise (the slow way then names them), and a LookupError for a size that has no packer."""


class Run(NotesMixin):
    """One attempt at a run, open for logging from any thread, and from forked or spawned processes."""

    def __init__(self, settings: Settings, project: str, id: str, start_record: RunStarted, *, next_step: int = 0) -> None:
        self.settings = settings
        self.project = project
        self.id = id
        self.name = start_record.name or id
        self.start_record = start_record
        self.config = Config(start_record.config, self.append_config)
        self.next_step = next_step
        self.finished = False
        self.is_owner = False
        self.warned_values: set[tuple[str, str]] = set()
        self.watchers: Watchers | None = None
        self.diff_thread: threading.Thread | None = None
        self.in_progress = False
        self.sampler: SystemSampler | None = None
        self.stop_signal = StopSignal(stop_file_path(settings.dir, id, start_record.attempt))
        folder = JournalFolder(settings.journal_root, settings.lock_root)
        self.appender = Appender(
            project=project,
            run=id,
            folder=folder.project_folder(project),
            lock_folder=folder.lock_folder(project),
            on_open=self.on_journal_open,
            remote=settings.remote or "",
        )
        self.append = self.appender.append
        self._note_writer = NoteWriter(self.appender, scope=id)

    def open_journal(self) -> None:
        """Open the journal and put the attempt's start in it.

        JournalError if the folder can't be written, ConfigError if the start, with its config, is too long.
        """
        size = len(encode(self.start_record))
        if size > MAX_PAYLOAD_BYTES:
            raise ConfigError(f"the run's start, with its config, has {size} bytes; {MAX_PAYLOAD_BYTES} are the most")
        self.appender.opening_payloads = lambda: [encode(self.start_record)]
        self.appender.open()
        self.is_owner = True
        if self.settings.system_metrics:
            self.sampler = SystemSampler(self.settings.dir, self.settings.system_metrics)
        PROCESS.add_open_run(self)

    # -- what is recorded

    def log(self, metrics: Mapping[str, Any], step: int | None = None, *, durable: bool = False) -> None:  # noqa: C901 - the hot path makes no calls
        """Record numbers by name: floats, integers, booleans, numpy and torch-like scalars, nested dicts.

        `step`: any integer; missing, it is one more than the highest so far. Survives SIGKILL as soon as it returns, and a power
        loss a second later; `durable=True` waits for the disk. Never raises for the disk: what is lost is counted and said once.
        A value that is no number is left out with a warning that names it.
        """
        now = wall_ns() // 1000
        appender = self.appender
        if step is None:
            step = self.next_step
        elif step.__class__ is not int:
            step = self.normalize_step(step)
        if step >= self.next_step:
            if step >= MAX_INT64:
                step = self.normalize_step(step)
            self.next_step = step + 1
        try:
            payload = encode_parts(("metrics", now, step, metrics))
            size = len(payload)
            frame = appender.frame_packers[size](size, crc32(payload), payload)
        except ENCODING_ERRORS:
            self.append(self.encode_checked(now, step, metrics))
        else:
            # `self.append(payload)`, written out: a call more would be a tenth of it all.
            try:
                written = appender.write(frame)
            except OSError as error:
                appender.handle_write_error(error)
            except BaseException:
                appender.retire()
                raise
            else:
                if written != len(frame):
                    appender.check_written(written, len(frame))
        if durable:
            appender.sync()
        watchers = self.watchers
        if watchers is not None and not metrics.keys().isdisjoint(watchers.name_prefixes):
            self.handle_findings(watchers.evaluate(metrics, step))

    def alert(  # noqa: PLR0913 - the parts of an alert
        self,
        title: str,
        text: str | None = None,
        *,
        level: str = AlertLevel.WARN,
        step: int | None = None,
        data: Mapping[str, Any] | None = None,
        reason: str | None = None,
        metric: str | None = None,
        value: float | None = None,
    ) -> None:
        """Record an alert: something a person or agent should look at.

        `level`: info, warn or error. `data`: any config value. `reason`: a word that identifies the kind of alert; `metric` and
        `value`: if the alert is about a metric.
        """
        loudness = parse_alert_level(level)
        self.appender.append_important(
            encode(
                Alert(
                    time=SYSTEM_CLOCK.now_us(),
                    title=text_of(title),
                    level=loudness,
                    text=to_text_or_none(text),
                    reason=to_text_or_none(reason),
                    metric=to_text_or_none(metric),
                    value=None if value is None else float(value),
                    step=None if step is None else self.normalize_step(step),
                    data=None if data is None else to_config_dict(data, "an alert's data"),
                )
            )
        )

    def progress(self, rounds: Iterable[T], total: int | None = None) -> Iterable[T]:
        """Yield the rounds of a loop; record how many are done, and show it on a terminal.

        `total`: how many there are, where they can't say so themselves. Of loops within loops the outermost counts.
        """
        if self.in_progress:
            return rounds
        return ProgressLoop(rounds, self.append_progress, on_active=self.set_in_progress, total=total)

    def keep(self, name: str, text: str) -> None:
        """Keep a piece of text, such as what a program has printed: pieces of one name follow one another."""
        self.append(encode(RunText(time=SYSTEM_CLOCK.now_us(), attempt=self.start_record.attempt, name=name, text=text_of(text))))

    def save(
        self, path: str | PathLike[str], name: str | None = None, *, step: int | None = None, caption: str | None = None
    ) -> None:
        """Store a file as it is now, under `name` (default: its path). A later one of that name replaces it.

        Its content is on this machine's disk when this returns. A text of at most 64 KiB goes to the server with the run;
        of anything else the server knows name, size and sha256. ConfigError for what is no file, or can't be read.
        """
        usable = None if step is None else self.normalize_step(step)
        now = SYSTEM_CLOCK.now_us()
        self.append(encode(build_file_record(self.settings.dir, path, name, step=usable, caption=caption, now=now)))

    # -- watching

    def watch(self, metric: str, **rules: Any) -> None:
        """Raise alerts, and ask for a stop, by rules on a metric: see `tasuki.watch`."""
        watcher = Watcher(metric, **rules)
        if self.watchers is None:
            self.watchers = Watchers()
        self.watchers.add(watcher)
        PROCESS.watched_run = self

    def handle_findings(self, findings: Sequence[WatcherFinding]) -> None:
        """Raise the alerts of the watchers, and note that the run should stop."""
        for finding in findings:
            if finding.stop:
                stop = Stop(source="watcher", reason=finding.reason.value, metric=finding.metric, step=finding.step)
                self.stop_signal.set(stop)
            parts = finding._asdict()
            del parts["stop"]
            self.alert(**parts)

    def should_stop(self) -> Stop:
        """Return whether a watcher or an outside request asks the run to stop.

        `.source`, `.reason`, `.metric`, `.step` say who and why.

        A request from outside is seen within two seconds. It costs a tenth of a microsecond.
        """
        return self.stop_signal.check()

    @property
    def note_writer(self) -> NoteWriter:
        """Return the writer of notes about this run."""
        return self._note_writer

    def finish(self, status: str = Status.FINISHED, reason: str | None = None) -> SendCounts:
        """End the run as `finished` or `failed`. Only the first end of an attempt counts.

        With a remote it waits up to 5 s for what is on its way. Returns `{"sent", "pending"}`: records acknowledged since the last
        such report, and records that were not by then; those go when the next process with this remote starts, or by `tasuki sync`.
        In a process that did not call `init` (a forked or spawned worker) it only ends that process's own stream.
        """
        if status not in {Status.FINISHED, Status.FAILED}:
            raise ConfigError(f"a run can't be finished as {status!r}", hint="finished or failed")
        deadline = SYSTEM_CLOCK.monotonic() + FINISH_DRAIN_SECONDS
        if not self.finished:
            self.wait_for_diff()
            self.append_status(Status(status), reason)
            self.finished = True
            self.appender.close()
        return PROCESS.drain(self.settings, deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is None:
            self.finish()
        else:
            self.finish(Status.FAILED, describe_error(error))

    def __repr__(self) -> str:
        return f"Run(project={self.project!r}, name={self.name!r}, id={self.id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Run, (self.settings, self.project, self.id, self.start_record)

    # -- how

    def on_journal_open(self, path: Path) -> None:
        """This process has a new journal file."""
        PROCESS.add_journal_file(self.settings, path)

    def wait_for_diff(self, timeout_seconds: float = DIFF_WAIT_SECONDS) -> None:
        """Wait a moment for what is still being looked up."""
        if self.diff_thread is not None and self.is_owner:
            self.diff_thread.join(timeout_seconds)

    def set_in_progress(self, in_progress: bool) -> None:
        """A loop has begun, or ended."""
        self.in_progress = in_progress

    def append_progress(self, done: int, total: int | None, rate: float | None) -> None:
        """Put on record how far a loop has come. It may end after its run has."""
        if not self.finished:
            count = RunProgress(time=SYSTEM_CLOCK.now_us(), attempt=self.start_record.attempt, done=done, total=total, rate=rate)
            self.append(encode(count))

    def append_diff(self, diff: str) -> None:
        """Keep the uncommitted changes, if they are known in time."""
        if not self.finished:
            self.keep("git.diff", diff)

    def append_system_metrics(self, sample: Mapping[str, float]) -> None:
        """Log how busy the machine is, at the step that the run has come to."""
        self.append(encode_metrics(SYSTEM_CLOCK.now_us(), max(self.next_step - 1, 0), sample))

    def get_attempt_ref(self) -> AttemptRef:
        """Return the reference by which a server names this attempt."""
        return AttemptRef(project=self.project, run=self.id, attempt=self.start_record.attempt)

    def sample_system(self) -> None:
        """Log the load of the machine when a sample is due."""
        if self.sampler is not None and not self.finished and (sample := self.sampler.sample()):
            self.append_system_metrics(sample)

    def clear_watchers(self) -> None:
        """Remove the watchers, with a warning: another run becomes the current one."""
        warn_user(f"init() clears the watchers of run {self.name!r}: call tasuki.watch() again", UserWarning)
        self.watchers = None

    def apply_stop_command(self, command: StopCommand) -> None:
        """Accept a stop command; `should_stop` then returns it."""
        self.stop_signal.apply_command(command)

    def disown(self) -> None:
        """Leave the end of the attempt to the process that began it."""
        self.is_owner = False

    def append_heartbeat(self) -> None:
        """Say that the process lives."""
        self.append(encode(Heartbeat(time=SYSTEM_CLOCK.now_us())))

    def append_status(self, status: Status, reason: str | None) -> None:
        """Put the attempt's end on record: for the process that began it."""
        if not self.is_owner:
            return
        self.is_owner = False
        record = RunStatus(
            time=SYSTEM_CLOCK.now_us(), attempt=self.start_record.attempt, status=status, reason=to_text_or_none(reason)
        )
        self.appender.append_important(encode(record))
        PROCESS.remove_open_run(self)
        with suppress(OSError):
            self.stop_signal.path.unlink(missing_ok=True)

    def append_config(self, changed: dict[str, Any]) -> None:
        """Put changed config keys on record."""
        self.append(encode(RunUpdated(time=SYSTEM_CLOCK.now_us(), config=changed)))

    def normalize_step(self, step: object) -> int:
        """The step as an integer; a step that is none of 64 bits is replaced, with a warning."""
        whole = parse_step(step)
        if whole is not None:
            return whole
        usable = min(self.next_step, MAX_INT64)
        warn_user(f"step={step!r} ({type(step).__qualname__}) is not an integer of 64 bits; step {usable} is used")
        return usable

    def encode_checked(self, now: int, step: int, metrics: Mapping[str, Any]) -> bytes:
        """Encode a call after checking its values: one may be nested, huge, a scalar array, or no number."""
        if not isinstance(metrics, Mapping):
            raise TypeError(f"log() takes a dict of numbers, not a {type(metrics).__qualname__}")
        try:
            payload = encode_metrics(now, step, metrics)
            fsum(metrics.values())  # fails for whatever is not a number, at the speed of C
        except ENCODING_ERRORS:
            return encode_metrics(now, self.normalize_step(step), convert_metrics(metrics, self.warned_values))
        self.appender.add_frame_packer(len(payload))
        return payload
