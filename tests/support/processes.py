"""Processes that tests start: a Python child that runs a script, and says lines through a pipe."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["ROOT", "Child", "eventually"]

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30.0


class Child:
    """A Python process that runs `script`; each line that it prints is in `lines` soon after. A `with` block ends it.

    The script finds `arguments` in `sys.argv[1:]`, `tests.…` can be imported, and `tell()` writes to its standard input. A line of
    less than 4096 bytes, written by one `os.write`, comes whole, whichever process or thread writes it, and survives its writer.
    """

    def __init__(self, script: str, *arguments: object, prefix: Sequence[str] = ()) -> None:
        self.lines: list[str] = []
        self.changed = threading.Condition()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", script, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        """Collect lines until nobody can write any more."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode().rstrip("\n"))
                self.changed.notify_all()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # its forks too
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            assert pipe is not None
            pipe.close()

    def expect(self, beginning: str = "", count: int = 1) -> str:
        """Wait for so many lines that begin like this; returns what follows the beginning in the last of them."""

        def found() -> list[str]:
            return [line for line in self.lines if line.startswith(beginning)]

        with self.changed:
            if not self.changed.wait_for(lambda: len(found()) >= count, PATIENCE_SECONDS):
                raise AssertionError(f"no {beginning!r} ({count}) in {self.lines[-5:]}; on its stderr: {self.complaints()}")
        return found()[count - 1].removeprefix(beginning)

    def tell(self, text: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())
        self.process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL it, and wait until it is gone. What it forked lives on."""
        self.signal(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def kill_all(self) -> None:
        """SIGKILL it and what it forked, and wait until all its lines have come."""
        os.killpg(self.pid, signal.SIGKILL)
        self.end()

    def end(self) -> int:
        """Wait until it and its forks have ended by themselves; returns its exit code."""
        code = self.process.wait(PATIENCE_SECONDS)
        self.reader.join(PATIENCE_SECONDS)
        return code

    def done(self) -> list[str]:
        """Wait for its end, which must be a success; returns all its lines."""
        code = self.end()
        assert code == 0, f"exit code {code}: {self.complaints()}"
        return self.lines

    def complaints(self) -> str:
        """What it has written to its standard error."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")


def eventually(claim: Callable[[], bool]) -> None:
    """Wait until the claim holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)
