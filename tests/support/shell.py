"""The command line as a user has it: real processes on a data folder of their own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

T = TypeVar("T")
TASUKI = [sys.executable, "-m", "tasuki"]
COMPILED = TemporaryDirectory(prefix="tasuki-compiled-")
"""Where the processes of a test session share compiled modules: half of a short command's time is compiling otherwise."""
OURS = ("TASUKI_", "TRACKIO_", "GRADATA_")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of this process, with this data folder and no other setting."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(OURS) and name != "PYTHONDONTWRITEBYTECODE"}
    quiet = {"TASUKI_CAPTURE_GIT": "0", "TASUKI_SYSTEM_METRICS": "0"}
    return others | quiet | {"TASUKI_DIR": str(folder), "PYTHONPYCACHEPREFIX": COMPILED.name} | more


def tasuki(folder: Path, *arguments: str, text: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*TASUKI, *arguments], env=environment(folder, **more), input=text, capture_output=True, text=True, timeout=60
    )


def in_a_shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line as a user types it, where we are."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(["bash", "-c", line], env=environment(folder, PATH=path), capture_output=True, text=True, timeout=60)


def python(folder: Path, script: str, **more: str) -> str:
    """Run a user's script, which must end well; returns what it printed."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=environment(folder, **more),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    ).stdout


def at_once(actions: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """Do them all at the same time, as each is mostly waiting; returns what they returned."""
    with ThreadPoolExecutor(len(actions)) as pool:
        futures = {name: pool.submit(action) for name, action in actions.items()}
        return {name: future.result() for name, future in futures.items()}
