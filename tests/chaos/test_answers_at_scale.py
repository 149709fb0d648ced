"""A thousand runs of fifty metrics, all of them recorded as anybody records: the answers are right, and cost what they may."""

from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from benchmarks.child import run_child
from tasuki.sdk.query.comparison import build_comparison, rank_runs
from tasuki.settings import load
from tasuki.store import BestRuns, LocalStore
from tests.support.shell import tasuki
from tests.support.soak import SOAK, scaled

RUNS, METRICS, STEPS = 1_000, 50, scaled(100, 10_000)
BAR_SECONDS = 0.025
SLACK = 1 if SOAK else 20
"""The bar is the benchmark's: here the machine may be doing anything."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thousand")
    shape = {"tracker": "tasuki", "folder": str(folder), "runs": RUNS, "metrics": METRICS, "steps": STEPS, "times": 1}
    run_child("benchmarks.children.answering", {"do": "record", **shape})
    return folder


def seconds(question) -> float:
    """The median, after one that is not counted."""
    took = []
    for _ in range(6):
        began = perf_counter()
        question()
        took.append(perf_counter() - began)
    return median(took[1:])


@pytest.mark.timeout(7200 if SOAK else 300)
def test_answers_about_a_thousand_runs_are_right_and_do_not_read_what_was_logged(folder: Path):
    with LocalStore(load(dir=str(folder)), wait_seconds=None) as store:
        runs = store.runs("bench")
        assert [(run.name, run.points) for run in runs] == [(f"run-{n:04}", METRICS * STEPS) for n in range(RUNS)]
    with LocalStore(load(dir=str(folder)), wait_seconds=None, ensure_caught_up=lambda *_: 0) as store:
        found = rank_runs(store, "bench", "train/metric_7", BestRuns(5, "max", "max"))
        assert [one.run.name for one in found] == [f"run-{n:04}" for n in range(999, 994, -1)]
        assert all(one.step == 0 for one in found)
        side_by_side = build_comparison(store, "bench", [run.id for run in runs[:20]])
        assert len(side_by_side.metrics) == METRICS
        assert all(one.n == STEPS for of_run in side_by_side.summaries.values() for one in of_run.values())
        overview = store.overview("bench")
        assert (overview.runs, overview.points, len(overview.metrics)) == (RUNS, RUNS * METRICS * STEPS, METRICS)
        assert {one.max_run for one in overview.metrics} == {runs[-1].id}
        assert all(one.runs == RUNS for one in overview.metrics)
        for question in (
            lambda: rank_runs(store, "bench", "train/metric_7", BestRuns(10)),
            lambda: build_comparison(store, "bench", [run.id for run in runs[:20]]),
            lambda: store.overview("bench"),
        ):
            assert seconds(question) < BAR_SECONDS * SLACK


def test_a_command_asks_a_thousand_runs(folder: Path):
    done = tasuki(folder, "best", "train/metric_0", "--mode", "max", "--by", "max", "--top", "1", "--project", "bench")
    assert done.stdout.splitlines()[1].split("\t")[1] == "run-0999"
