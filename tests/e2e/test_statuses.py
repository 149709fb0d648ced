"""Statuses are true: how a run ended, on a folder and through a server alike."""

from tests.e2e.targets import Target
from tests.processes import eventually

LOGS = """
import sys, time, tasuki
run = tasuki.init(name="it")
run.log({"loss": 1.0})
print("run", run.id, flush=True)
"""


def status_of(target: Target, run: str) -> tuple[str, str | None]:
    """How the run ended, and why, as the command says."""
    found = target.json("run", "show", run)["run"]
    return found["status"], found["reason"]


def test_exit_without_finish_is_failed(target: Target):
    with target.child(LOGS) as child:
        child.done()
    assert status_of(target, "it") == ("failed", "the interpreter ended without finish()")


def test_a_just_initialised_run_is_listed(target: Target):
    run = target.init("it")

    def listed() -> list[tuple[object, ...]]:
        with target.api() as api:
            return [(row.id, row.name, row.status) for row in api.runs(target.project)] if target.project in api.projects() else []

    eventually(lambda: listed() == [(run.id, "it", "running")])
    (row,) = target.json("run", "list")["runs"]
    assert (row["id"], row["name"], row["status"], row["points"]) == (run.id, "it", "running", 0)
