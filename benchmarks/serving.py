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

from benchmarks.child import ROOT, ChildFailed, build_environment

__all__ = ["find_free_port", "run_other_server", "run_server"]

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 5.0


def find_free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def run_server_process(command: Sequence[str], variables: Mapping[str, str], *, errors: int) -> Iterator["subprocess.Popen[str]"]:
    """A server and whatever it starts; all of them are gone afterwards. `errors`: where what it says goes."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**build_environment(), "PYTHONPATH": str(ROOT), **variables},
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
            process.communicate(timeout=STOP_TIMEOUT_SECONDS)
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def run_server(data_folder: Path) -> Iterator[str]:
    """Tasuki's server; its address."""
    with run_server_process(
        [sys.executable, "-m", "tasuki", "serve", f"--dir={data_folder}", "--port=0"], {}, errors=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        found = re.search(r"http://[^/\s]+", process.stderr.readline())
        if not found:
            raise ChildFailed("the server did not come up")
        yield found[0]


@contextmanager
def run_other_server(command: Sequence[str], variables: Mapping[str, str], port: int) -> Iterator[None]:
    """Any server, from its first answer on."""
    with run_server_process(command, variables, errors=subprocess.DEVNULL) as process:
        until = monotonic() + START_TIMEOUT_SECONDS
        while not is_answering(port):
            if monotonic() > until or process.poll() is not None:
                raise ChildFailed(f"{command[0]} did not come up")
            sleep(0.05)
        yield


def is_answering(port: int) -> bool:
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
