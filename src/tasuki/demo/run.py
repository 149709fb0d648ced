"""The demo: a server, and a training process whose relay sends to it; checked against a call log."""

import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tasuki.errors import TasukiError
from tasuki.settings import Settings

__all__ = ["ServerProcess", "TrainingProcess", "run_server", "run_training"]

DEFAULT_PORT = 7700
LOSS_METRIC, ACCURACY_METRIC = "train/loss", "val/acc"
STOP_TIMEOUT_SECONDS = 5.0


# -- the training process


class TrainingProcess:
    """The training process, its ledger, and what it wrote to stderr."""

    def __init__(self, settings: Settings, folder: Path, *, remote: str | None = None, steps_per_second: int | None) -> None:
        self.group = f"demo-{secrets.token_hex(3)}"
        self.call_log = folder / "ledger.jsonl"
        self.stderr_file = folder / "stderr.txt"
        pace = [] if steps_per_second is None else [f"--steps-per-second={steps_per_second}"]
        command = [sys.executable, "-m", "tasuki.demo.training", str(self.call_log), f"--dir={settings.dir}", *pace]
        command += [] if remote is None else [f"--remote={remote}"]
        with self.stderr_file.open("wb") as stderr:
            # A session of its own: Ctrl-C comes to us alone, and we stop the training when we are ready to.
            self.process = subprocess.Popen(
                [*command, f"--group={self.group}"], stdin=subprocess.DEVNULL, stderr=stderr, start_new_session=True
            )

    @property
    def is_running(self) -> bool:
        """Return whether the training still runs."""
        return self.process.poll() is None

    def wait(self) -> None:
        """Wait for its end. TasukiError, with its last words, if it failed."""
        if code := self.process.wait():
            words = self.stderr_file.read_text(errors="replace").strip().splitlines()
            raise TasukiError(f"the training process failed with exit code {code}: {words[-1] if words else 'no word'}")

    def stop(self) -> None:
        """End it as Ctrl-C would, and if it does not listen, at once."""
        if self.is_running:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def run_training(settings: Settings, *, remote: str, steps_per_second: int | None = None) -> Iterator[TrainingProcess]:
    """The training process, for the block. TasukiError where scikit-learn is missing."""
    if find_spec("sklearn") is None:
        raise TasukiError("the demo needs scikit-learn", hint="pip install 'tasuki[demo]'")
    with TemporaryDirectory(prefix="tasuki-demo-") as folder:
        process = TrainingProcess(settings, Path(folder), remote=remote, steps_per_second=steps_per_second)
        try:
            yield process
        finally:
            process.stop()


# -- the server


class ServerProcess(NamedTuple):
    """The server process and its address."""

    process: "subprocess.Popen[str]"
    url: str


@contextmanager
def run_server(folder: Path) -> Iterator[ServerProcess]:
    """Run a server on loopback for the block. Raise TasukiError, with its output, if it does not start."""
    port = DEFAULT_PORT if is_port_free(DEFAULT_PORT) else 0
    command = [sys.executable, "-m", "tasuki", "serve", f"--dir={folder}", f"--port={port}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        line = process.stderr.readline() if process.stderr else ""
        found = re.search(r"http://\S+", line)
        if found is None:
            raise TasukiError(f"the server did not come up: {line.strip() or 'no word'}")
        yield ServerProcess(process, found[0].rstrip("/"))
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()


def is_port_free(port: int) -> bool:
    """Return whether no process listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


# -- how the runs stand


# -- the check
