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

__all__ = [
    "ROOT",
    "ChildFailed",
    "build_environment",
    "measure_milliseconds",
    "print_result",
    "read_job",
    "run_child",
    "run_command",
    "start_child",
    "stop_children",
    "wait_for_result",
]

ROOT = Path(__file__).resolve().parent.parent
REMOVED_PREFIXES = ("TASUKI_", "TRACKIO_", "GRADATA_", "WANDB_", "MLFLOW_", "SWANLAB_", "GOODSEED_", "PYTHON")
TIMEOUT_SECONDS = 1_200
NO_VARIABLES: Mapping[str, str] = {}


class ChildFailed(RuntimeError):
    """A child ended with an error; its last words are the message."""

    @property
    def last_line(self) -> str:
        """What it said last, as a table can hold it."""
        return str(self).splitlines()[-1].replace("|", " ")[:160]


def build_environment() -> dict[str, str]:
    """The environment without the settings of the person who measures."""
    return {name: value for name, value in os.environ.items() if not name.startswith(REMOVED_PREFIXES)}


def start_child(
    module: str, job: Mapping[str, Any], *, python: str | Path = sys.executable, variables: Mapping[str, str] = NO_VARIABLES
) -> "subprocess.Popen[str]":
    """Start `module` on a job, with more in its environment."""
    return subprocess.Popen(
        [str(python), "-m", module, json.dumps(job)],
        cwd=ROOT,
        env={**build_environment(), "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_result(child: "subprocess.Popen[str]") -> Any:
    """Wait for a child's answer. ChildFailed if there is none."""
    try:
        output, errors = child.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as error:
        child.kill()
        child.communicate()
        raise ChildFailed(f"no answer after {TIMEOUT_SECONDS} s: {child.args!r}") from error
    if child.returncode:
        raise ChildFailed(f"{child.args!r} ended with {child.returncode}:\n{errors.strip()}")
    return json.loads(output.splitlines()[-1])


def stop_children(children: Iterable["subprocess.Popen[str]"]) -> None:
    """End those that still run."""
    for child in children:
        child.kill()
        child.communicate()


def run_child(
    module: str, job: Mapping[str, Any], *, python: str | Path = sys.executable, variables: Mapping[str, str] = NO_VARIABLES
) -> Any:
    """Run `module` on a job to its end."""
    return wait_for_result(start_child(module, job, python=python, variables=variables))


def read_job() -> dict[str, Any]:
    """In the child: what to do."""
    work: dict[str, Any] = json.loads(sys.argv[1])
    return work


def measure_milliseconds(function: Callable[[], object], times: int) -> float:
    """In the child: the median of so many answers, after one that is not counted."""
    took = []
    for _ in range(times + 1):
        began = perf_counter()
        function()
        took.append((perf_counter() - began) * 1000)
    return median(took[1:])


def print_result(result: Any) -> None:
    """In the child: the answer, after whatever else was printed."""
    print(flush=True)
    print(json.dumps(result), flush=True)


def run_command(command: Sequence[str], *, variables: Mapping[str, str] = NO_VARIABLES) -> None:
    """Run a command to its end. ChildFailed if it fails."""
    done = subprocess.run(command, cwd=ROOT, env={**build_environment(), **variables}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChildFailed(f"{command!r} ended with {done.returncode}:\n{done.stderr.strip()}")
