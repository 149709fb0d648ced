"""Measuring in a process of its own: a module is run with a job as JSON, and its last line of output is its answer."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

__all__ = ["ROOT", "ChildFailed", "answer_of", "ask", "environment", "job", "milliseconds", "start", "stop", "succeed", "tell"]

ROOT = Path(__file__).resolve().parent.parent
QUIET = ("TASUKI_", "TRACKIO_", "GRADATA_", "WANDB_", "MLFLOW_", "SWANLAB_", "GOODSEED_", "PYTHON")
LONGEST_SECONDS = 1_200
NOTHING: Mapping[str, str] = {}


class ChildFailed(RuntimeError):
    """A child ended with an error; its last words are the message."""

    @property
    def last_line(self) -> str:
        """What it said last, as a table can hold it."""
        return str(self).splitlines()[-1].replace("|", " ")[:160]


def environment() -> dict[str, str]:
    """The environment without the settings of the person who measures."""
    return {name: value for name, value in os.environ.items() if not name.startswith(QUIET)}


def start(
    module: str, work: Mapping[str, Any], *, python: str | Path = sys.executable, extra: Mapping[str, str] = NOTHING
) -> "subprocess.Popen[str]":
    """Start `module` on a job, with more in its environment."""
    return subprocess.Popen(
        [str(python), "-m", module, json.dumps(work)],
        cwd=ROOT,
        env={**environment(), "PYTHONPATH": str(ROOT), **extra},
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


def ask(module: str, work: Mapping[str, Any], *, python: str | Path = sys.executable, extra: Mapping[str, str] = NOTHING) -> Any:
    """Run `module` on a job to its end."""
    return answer_of(start(module, work, python=python, extra=extra))


def job() -> dict[str, Any]:
    """In the child: what to do."""
    work: dict[str, Any] = json.loads(sys.argv[1])
    return work


def milliseconds(question: Callable[[], object], times: int) -> float:
    """In the child: the median of so many answers, after one that is not counted."""
    took = []
    for _ in range(times + 1):
        began = perf_counter()
        question()
        took.append((perf_counter() - began) * 1000)
    return median(took[1:])


def tell(answer: Any) -> None:
    """In the child: the answer, after whatever else was printed."""
    print(flush=True)
    print(json.dumps(answer), flush=True)


def succeed(command: Sequence[str], *, extra: Mapping[str, str] = NOTHING) -> None:
    """Run a command to its end. ChildFailed if it fails."""
    done = subprocess.run(command, cwd=ROOT, env={**environment(), **extra}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChildFailed(f"{command!r} ended with {done.returncode}:\n{done.stderr.strip()}")
