"""Watchers as a training process has them: what they see is on record, on a folder and through a server alike."""

import math

import pytest

import tasuki
from tests.support.processes import eventually
from tests.support.query_targets import Target

TRAINS = """
import warnings, tasuki
run = tasuki.init(name="it")
tasuki.watch("train/loss", max_value=20.0, spike_factor=3.0, window=3, patience=50, level="error")
for step, loss in enumerate([1.0, 1.0, 1.0, 5.0, 1.0, float("nan"), float("nan")]):
    tasuki.log({"train": {"loss": loss}, "other": float("nan")}, step=step)
    if stop := tasuki.should_stop():
        print("stop", stop.source, stop.reason, stop.metric, stop.step, flush=True)
        break
with warnings.catch_warnings(record=True) as caught:
    again = tasuki.init(name="again")
print("warned", caught[0].message, flush=True)
again.log({"train/loss": float("nan")})
print("again", bool(tasuki.should_stop()), flush=True)
tasuki.finish()
"""


def test_the_production_path_ends_in_alert_and_stop_and_a_new_init_clears_the_watchers(target: Target):
    with target.child(TRAINS) as child:
        assert child.done() == [
            "stop watcher nan train/loss 5",
            "warned init() clears the watchers of run 'it': call tasuki.watch() again",
            "again False",
        ]
    with target.api() as api:
        alerts = api.alerts(target.project)
        assert [(row.run_name, row.reason, row.step) for row in alerts] == [("it", "spike", 3), ("it", "nan", 5)]
        assert [row.id for row in api.alerts(target.project, run="it", reason="nan")] == [alerts[1].id]
        assert api.alerts(target.project, run="again") == []


def test_exact_alert_counts_and_texts(target: Target):
    with target.init("it") as run:
        run.watch("x", max_value=2.0, min_value=-1.0, patience=3)
        run.watch("y", fn=lambda value, step: [{"title": "odd"}, {"title": "very odd", "level": "error", "stop": True}])
        for value in (1.0, 3.0, 4.0, 1.0, 3.0, -2.0):
            run.log({"x": value})
        run.log({"y": 0.5}, step=9)
        assert run.should_stop().reason == "max_value"
    found = target.json("run", "show", "it")["alerts"]
    assert [(alert["reason"], alert["title"], alert["step"]) for alert in found] == [
        ("max_value", "x is 3, above 2", 1),
        ("patience", "x has not improved for 3 reports", 3),
        ("max_value", "x is 3, above 2", 4),
        ("min_value", "x is -2, below -1", 5),
        ("custom", "odd", 9),
        ("custom", "very odd", 9),
    ]
    assert [alert["level"] for alert in found] == ["warn"] * 5 + ["error"]


def test_alert_data_is_intact_through_a_server(target: Target):
    data = {"window": 50, "list": [1, 2.5, None], "deep": {"text": "ünïcode ✓", "yes": True}}
    with target.init("it") as run:
        run.alert("by hand", "a text", level="info", step=7, data=data, reason="mine", metric="m", value=1.5)
        run.watch("loss", spike_factor=3.0, window=2)
        for value in (1.0, 1.0, 9.0, math.nan, math.inf):
            run.log({"loss": value})
    with target.api() as api:
        hand, spike, nan = api.alerts(target.project)
        (mine,) = api.alerts(target.project, reason="mine")
    assert hand == mine
    assert (hand.title, hand.text, hand.level, hand.step) == ("by hand", "a text", "info", 7)
    assert (hand.reason, hand.metric, hand.value, hand.data) == ("mine", "m", 1.5, data)
    assert (spike.reason, spike.value, spike.data) == ("spike", 9.0, {"average": 1.0, "spike_factor": 3.0, "window": 2})
    assert (nan.reason, nan.metric, nan.step, nan.data) == (tasuki.AlertReason.NAN, "loss", 3, None)
    assert math.isnan(nan.value)


def test_the_watchers_of_the_test_before_are_not_there(target: Target):
    """The fixture `no_open_runs` of all tests forgets them: else the next `init` would warn of what it clears."""
    run = target.init("it")
    eventually(lambda: known(target, run.id))
    run.log({"x": 99.0, "y": 1.0, "loss": math.nan})
    assert not run.should_stop()
    with pytest.raises(tasuki.TasukiError, match="a metric, not ''"):
        run.watch("")


def known(target: Target, run: str) -> bool:
    """Whether those who ask know of the run."""
    with target.api() as api:
        return target.project in api.projects() and run in {row.id for row in api.runs(target.project)}


FORKS = """
import os, tasuki
run = tasuki.init(name="it")
run.watch("x", max_value=1)
if os.fork() == 0:
    run.log({"x": 5.0})
    print("child", bool(run.should_stop()), flush=True)
    os._exit(0)
os.wait()
run.log({"x": 0.0})
print("parent", bool(run.should_stop()), flush=True)
run.finish()
"""


def test_a_forked_worker_watches_too(target: Target):
    with target.child(FORKS) as child:
        assert child.done() == ["child True", "parent False"]
    eventually(lambda: len(target.json("run", "show", "it")["alerts"]) == 1)
