"""The demo: a server, and a training process that only appends to its journals, whose relay sends them; checked by its ledger."""

import re
import secrets
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec

from tasuki.client.peer import Peer
from tasuki.client.verify_remote import Compared, compare
from tasuki.clock import SYSTEM, Clock
from tasuki.errors import IntegrityGap, NotFound, TasukiError
from tasuki.journal import Folder
from tasuki.records import HistoryRow, RunRow, Status, Summary
from tasuki.relay import open_kept
from tasuki.settings import Settings
from tasuki.store import Query

__all__ = [
    "PROJECT",
    "Checked",
    "Serving",
    "Standing",
    "Training",
    "check_ledger",
    "compared",
    "serving",
    "settle",
    "standings",
    "training",
]

PROJECT = "digits"
PORT = 7700
LOSS, ACCURACY = "train/loss", "val/acc"
SETTLING_SECONDS = 30.0
STOPPING_SECONDS = 5.0
NAMED = 3
"""How many missing calls of a run a problem names."""


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One record that the training process made: its start, a `log()` call, an alert or its end. Floats are in hex."""

    run: str
    name: str | None = None
    step: int | None = None
    values: dict[str, str] | None = None
    alert: str | None = None
    status: Status | None = None


class Standing(NamedTuple):
    """How one run of the demo stands."""

    name: str
    step: int | None
    loss: float | None
    best_loss: float | None
    accuracy: float | None
    best_accuracy: float | None
    status: Status
    id: str


class Checked(NamedTuple):
    """What the comparison of ledger and store gave."""

    records: int
    runs: int
    problems: list[str]


# -- the training process


class Training:
    """The training process, its ledger, and what it wrote to stderr."""

    def __init__(self, settings: Settings, folder: Path, *, remote: str | None = None, steps_per_second: int | None) -> None:
        self.group = f"demo-{secrets.token_hex(3)}"
        self.ledger = folder / "ledger.jsonl"
        self.talk = folder / "stderr.txt"
        pace = [] if steps_per_second is None else [f"--steps-per-second={steps_per_second}"]
        command = [sys.executable, "-m", "tasuki.demo.training", str(self.ledger), f"--dir={settings.dir}", *pace]
        command += [] if remote is None else [f"--remote={remote}"]
        with self.talk.open("wb") as stderr:
            # A session of its own: Ctrl-C comes to us alone, and we stop the training when we are ready to.
            self.process = subprocess.Popen(
                [*command, f"--group={self.group}"], stdin=subprocess.DEVNULL, stderr=stderr, start_new_session=True
            )

    @property
    def is_running(self) -> bool:
        """Whether it still trains."""
        return self.process.poll() is None

    def wait(self) -> None:
        """Wait for its end. TasukiError, with its last words, if it failed."""
        if code := self.process.wait():
            words = self.talk.read_text(errors="replace").strip().splitlines()
            raise TasukiError(f"the training process failed with exit code {code}: {words[-1] if words else 'no word'}")

    def stop(self) -> None:
        """End it as Ctrl-C would, and if it does not listen, at once."""
        if self.is_running:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOPPING_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def training(settings: Settings, *, remote: str, steps_per_second: int | None = None) -> Iterator[Training]:
    """The training process, for the block. TasukiError where scikit-learn is missing."""
    if find_spec("sklearn") is None:
        raise TasukiError("the demo needs scikit-learn", hint="pip install 'tasuki[demo]'")
    with TemporaryDirectory(prefix="tasuki-demo-") as folder:
        process = Training(settings, Path(folder), remote=remote, steps_per_second=steps_per_second)
        try:
            yield process
        finally:
            process.stop()


# -- the server


class Serving(NamedTuple):
    """The server process and its address."""

    process: "subprocess.Popen[str]"
    url: str


@contextmanager
def serving(folder: Path) -> Iterator[Serving]:
    """A server on loopback with a folder of its own, for the block. TasukiError, with its last words, if it does not come up."""
    port = PORT if is_free(PORT) else 0
    command = [sys.executable, "-m", "tasuki", "serve", f"--dir={folder}", f"--port={port}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        line = process.stderr.readline() if process.stderr else ""
        found = re.search(r"http://\S+", line)
        if found is None:
            raise TasukiError(f"the server did not come up: {line.strip() or 'no word'}")
        yield Serving(process, found[0].rstrip("/"))
    finally:
        process.terminate()
        try:
            process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def compared(settings: Settings, remote: str, runs: Collection[str]) -> Compared:
    """The streams of some runs, here and on the server."""
    folder = Folder(settings.journal_root, settings.lock_root)
    with Peer(remote, settings.key(remote)) as peer:
        return compare(folder, peer, open_kept(settings.dir, remote), project=PROJECT, runs=runs)


# -- how the runs stand


def standings(query: Query, group: str) -> list[Standing]:
    """The demo's runs, the oldest first; none before the first has begun."""
    try:
        runs = [run for run in query.runs(PROJECT) if run.group == group]
    except NotFound:
        return []
    summaries = {
        (summary.run, summary.metric): summary for summary in query.summaries(PROJECT, [run.id for run in runs], [LOSS, ACCURACY])
    }
    return [standing(run, summaries.get((run.id, LOSS)), summaries.get((run.id, ACCURACY))) for run in runs]


def standing(run: RunRow, loss: Summary | None, accuracy: Summary | None) -> Standing:
    """How one run stands."""
    return Standing(
        name=run.name,
        step=loss.last_step if loss else None,
        loss=last(loss),
        best_loss=loss.min if loss else None,
        accuracy=last(accuracy),
        best_accuracy=accuracy.max if accuracy else None,
        status=run.status,
        id=run.id,
    )


def last(summary: Summary | None) -> float | None:
    """A metric's last value; None if there is none yet."""
    if summary is None:
        return None
    return float("nan") if summary.last is None else summary.last


# -- the check


def settle(query: Query, clock: Clock = SYSTEM) -> None:
    """Ask until the answer has everything. IntegrityGap if it never does."""
    deadline = clock.monotonic() + SETTLING_SECONDS
    query.projects()
    while query.missing:
        query.projects()
        if query.missing and clock.monotonic() > deadline:
            raise IntegrityGap(f"the store is {query.missing:,} records behind its journals", hint="tasuki doctor")


def check_ledger(query: Query, ledger: Path) -> Checked:
    """Compare the training's own account with the store: every record there, with exact values and steps, none twice."""
    decode = msgspec.json.Decoder(LedgerLine).decode
    lines = [decode(line) for line in ledger.read_bytes().splitlines()]
    runs: dict[str, list[LedgerLine]] = {}
    for line in lines:
        runs.setdefault(line.run, []).append(line)
    problems = [problem for run, its_lines in runs.items() for problem in check_run(query, run, its_lines)]
    return Checked(len(lines), len(runs), problems)


def check_run(query: Query, run: str, lines: list[LedgerLine]) -> list[str]:
    """What is there otherwise than in the ledger, for one run."""
    try:
        row = query.run(PROJECT, run)
    except NotFound:
        return [f"run {run} is not there"]
    problems = []
    for line in lines:
        if line.name not in (None, row.name):
            problems.append(f"{line.name}: its name is {row.name} there")
        if line.status not in (None, row.status):
            problems.append(f"{row.name}: it {line.status}, and is {row.status} there")
    said = Counter(line.alert for line in lines if line.alert)
    told = Counter(alert.title for alert in query.alerts(PROJECT, run))
    made = Counter(call_of_line(line) for line in lines if line.values is not None)
    stored = Counter(call_of_row(call) for call in query.history(PROJECT, run))
    problems += differences(row.name, "alerts", said, told)
    return problems + differences(row.name, "calls of log()", made, stored)


def call_of_line(line: LedgerLine) -> tuple[int | None, frozenset[tuple[str, str]]]:
    """What makes two calls equal: the step and the exact values."""
    return line.step, frozenset((line.values or {}).items())


def call_of_row(row: HistoryRow) -> tuple[int | None, frozenset[tuple[str, str]]]:
    """The same of a call in the store."""
    return row.step, frozenset((name, value.hex()) for name, value in row.metrics.items())


def differences(name: str, things: str, made: "Counter[Any]", stored: "Counter[Any]") -> list[str]:
    """What is missing, and what is there though nobody made it, or twice."""
    found = []
    for words, odd in (("are missing", made - stored), ("are too many", stored - made)):
        if odd:
            found.append(f"{name}: {odd.total()} {things} {words}: {', '.join(map(str, list(odd)[:NAMED]))}")
    return found
