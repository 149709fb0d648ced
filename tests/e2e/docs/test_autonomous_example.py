"""The harness in `examples/autonomous`: an agent that works by itself, on a folder and on a server."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tasuki
from tests.support.processes import ROOT
from tests.support.query_targets import Target
from tests.support.shell import environment

EXAMPLES = ROOT / "examples/autonomous"


def run_example(target: Target, name: str, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run one of the examples to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), "--project", target.project, *arguments],
        env=environment(target.folder, **more),
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.fixture(scope="module")
def outcome(seeded_target: Target) -> dict[str, dict[str, Any]]:
    """What the agent says of each scenario, after all of them."""
    remote = ["--remote", seeded_target.url] if seeded_target.url else []
    done = run_example(seeded_target, "agent_runner.py", "all", *remote)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["scenario"]: line for line in lines}


def test_all_is_every_scenario_by_name(outcome: dict[str, dict[str, Any]]):
    assert list(outcome) == ["lr-search", "recover", "spike"]


def test_a_learning_rate_is_searched_and_the_one_recorded_is_the_one_used(
    outcome: dict[str, dict[str, Any]], seeded_target: Target
):
    found = outcome["lr-search"]
    assert found["tried"] == [0.003, 0.03, 0.3, 5.0]
    assert (found["best_lr"], found["diverged"]) == (0.3, [5.0])
    assert found["loss"] < 0.1
    with seeded_target.api() as api:
        for run in api.runs(seeded_target.project):
            assert set(run.series("train/lr").values) == {run.config["lr"]}


def test_a_failure_is_found_and_recovered_from(outcome: dict[str, dict[str, Any]], seeded_target: Target):
    assert outcome["recover"]["failed"] == {"status": "failed", "reason": "watcher: nan", "lr": 0.3, "step": 20}
    assert outcome["recover"]["recovered"] == {"reached": True, "lr": 0.15}
    with seeded_target.api() as api:
        statuses = {run.name: run.status for run in api.runs(seeded_target.project)}
    assert (statuses["fragile"], statuses["recovered"]) == ("failed", "finished")


def test_a_spike_is_diagnosed(outcome: dict[str, dict[str, Any]]):
    found = outcome["spike"]
    assert (found["step"], found["verdict"]) == (40, "transient")
    assert found["at"] > 100 * found["before"]


def test_a_nan_that_is_injected_is_in_the_weights_from_then_on(target: Target):
    done = run_example(target, "simulate_training.py", "--nan-at-step=3", "--steps=10", TASUKI_REMOTE=target.url or "")
    assert (done.returncode, done.stderr) == (1, "")
    run = json.loads(done.stdout.splitlines()[0])["run"]
    assert done.stdout.splitlines()[1:] == ["stopped at step 3: nan (watcher)"]
    losses = [call["metrics"]["train/loss"] for call in target.json("run", "history", run, "--metric", "train/loss")["rows"]]
    assert (len(losses), losses[3]) == (4, "NaN")


def test_step_0_can_spike_too(target: Target):
    done = [
        run_example(target, "simulate_training.py", "--steps=2", *spike, TASUKI_REMOTE=target.url or "")
        for spike in ([], ["--spike-at-step=0"])
    ]
    assert [one.returncode for one in done] == [0, 0]
    runs = [json.loads(one.stdout.splitlines()[0])["run"] for one in done]
    first = [target.json("run", "history", run)["rows"][0]["metrics"]["train/loss"] for run in runs]
    assert first[1] > 5 * first[0]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_the_harness_uses_nothing_but_what_is_public(path: Path):
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in imported if name.startswith("tasuki")} <= {"tasuki"}
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "tasuki"}
    assert used <= set(tasuki.__all__)
