"""Measuring in a process of its own: a module is run with a job as JSON, and its last line of output is its answer."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "ChildFailed", "answer_of", "ask", "environment", "job", "start", "stop", "tell"]

ROOT = Path(__file__).resolve().parent.parent
QUIET = ("TASUKI_", "TRACKIO_", "GRADATA_", "PYTHON")
LONGEST_SECONDS = 600


class ChildFailed(RuntimeError):
    """A child ended with an error; its last words are the message."""


def environment() -> dict[str, str]:
    """The environment without the settings of the person who measures."""
    return {name: value for name, value in os.environ.items() if not name.startswith(QUIET)}


def start(module: str, work: Mapping[str, Any], *, python: str | Path = sys.executable) -> "subprocess.Popen[str]":
    """Start `module` on a job."""
    return subprocess.Popen(
        [str(python), "-m", module, json.dumps(work)],
        cwd=ROOT,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer_of(child: "subprocess.Popen[str]") -> Any:
    """Wait for a child's answer. ChildFailed if there is none."""
    try:
        output, errors = child.communicate(timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired as error:
        child.kill()
        child.communicate()
        raise ChildFailed(f"no answer after {LONGEST_SECONDS} s: {child.args!r}") from error
    if child.returncode:
        raise ChildFailed(f"{child.args!r} ended with {child.returncode}:\n{errors.strip()}")
    return json.loads(output.splitlines()[-1])


def stop(children: Iterable["subprocess.Popen[str]"]) -> None:
    """End those that still run."""
    for child in children:
        child.kill()
        child.communicate()


def ask(module: str, work: Mapping[str, Any], *, python: str | Path = sys.executable) -> Any:
    """Run `module` on a job to its end."""
    return answer_of(start(module, work, python=python))


def job() -> dict[str, Any]:
    """In the child: what to do."""
    work: dict[str, Any] = json.loads(sys.argv[1])
    return work


def tell(answer: Any) -> None:
    """In the child: the answer, after whatever else was printed."""
    print(flush=True)
    print(json.dumps(answer), flush=True)
