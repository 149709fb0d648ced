"""Servers in processes of their own, for a block."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep

import psutil

from benchmarks.child import ROOT, ChildFailed, environment

__all__ = ["answering", "free_port", "serving"]

UP_SECONDS = 60.0
STOP_SECONDS = 5.0


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], extra: Mapping[str, str], *, errors: int) -> Iterator["subprocess.Popen[str]"]:
    """A server and whatever it starts; all of them are gone afterwards. `errors`: where what it says goes."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment(), "PYTHONPATH": str(ROOT), **extra},
        stdout=subprocess.DEVNULL,
        stderr=errors,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=STOP_SECONDS)
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def serving(place: Path) -> Iterator[str]:
    """Tasuki's server; its address."""
    with running([sys.executable, "-m", "tasuki", "serve", f"--dir={place}", "--port=0"], {}, errors=subprocess.PIPE) as process:
        assert process.stderr is not None
        found = re.search(r"http://[^/\s]+", process.stderr.readline())
        if not found:
            raise ChildFailed("the server did not come up")
        yield found[0]


@contextmanager
def answering(command: Sequence[str], extra: Mapping[str, str], port: int) -> Iterator[None]:
    """Any server, from its first answer on."""
    with running(command, extra, errors=subprocess.DEVNULL) as process:
        until = monotonic() + UP_SECONDS
        while not answers(port):
            if monotonic() > until or process.poll() is not None:
                raise ChildFailed(f"{command[0]} did not come up")
            sleep(0.05)
        yield


def answers(port: int) -> bool:
    """Whether somebody answers there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True
