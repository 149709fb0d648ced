import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasuki
from tasuki.errors import ConfigError
from tasuki.records import Alert, Metrics
from tasuki.sdk.watchers import Watcher, Watchers
from tests.unit.sdk.conftest import Recorded

NAN, INF = math.nan, math.inf


def fired(values: Sequence[Any], **rules: Any) -> list[tuple[int, str]]:
    """At which reports which rules have fired."""
    watcher = Watcher("loss", **rules)
    return [(step, finding.reason.value) for step, value in enumerate(values) for finding in watcher.evaluate(value, step)]


@pytest.mark.parametrize(
    ("rules", "values", "expected"),
    [
        ({}, [1, NAN, NAN, 1, INF, -INF, 0, -INF], [(1, "nan"), (4, "nan"), (7, "nan")]),
        ({"nan": False, "max_value": 2}, [2, 2.1, 9, NAN, 2, 3], [(1, "max_value"), (5, "max_value")]),
        ({"max_value": 2}, [INF], [(0, "nan")]),
        ({"nan": False, "max_value": 2}, [INF, 3, 1, -INF], [(0, "max_value")]),
        ({"nan": False, "min_value": 2}, [3, -INF, INF, 1], [(1, "min_value"), (3, "min_value")]),
        ({"max_value": 2}, [3, NAN, 3, 1, 3], [(0, "max_value"), (1, "nan"), (4, "max_value")]),
        ({"max_value": 2, "min_value": 0}, [3, -1, 3], [(0, "max_value"), (1, "min_value"), (2, "max_value")]),
        ({"spike_factor": 2.0, "window": 1}, [1, 5, NAN, 50], [(1, "spike"), (2, "nan")]),
        ({"patience": 2, "max_value": 9}, [1, 10, 10, 10], [(1, "max_value"), (2, "patience")]),
        ({"window": 3, "spike_factor": 3.0}, [1, 1, 1, 3, 3.0001], []),
        ({"window": 3, "spike_factor": 3.0}, [1, 1, 1, 3.0001], [(3, "spike")]),
        ({"min_value": 0}, [0, -0.1, -5, 0, -1], [(1, "min_value"), (4, "min_value")]),
        ({"spike_factor": 3.0, "window": 2}, [1, 1, 3, 1, 1, 3.1], [(5, "spike")]),
        ({"spike_factor": 3.0, "window": 2}, [1, 1, -1.1], [(2, "spike")]),
        ({"spike_factor": 3.0, "window": 2}, [1, 9], []),
        ({"spike_factor": 3.0, "window": 2}, [0, 0, 9, 0, 0], []),
        ({"spike_factor": 3.0, "window": 2}, [1, NAN, 1, 9, 90], [(1, "nan"), (3, "spike")]),
        ({"spike_factor": 2.0, "window": 1}, [-1, -2, -5], [(2, "spike")]),
        ({"patience": 3}, [1, 1, 1, 1, 1, 0.5, 1, 1, 1], [(3, "patience"), (8, "patience")]),
        ({"patience": 1}, [3, 2, 1, 1], [(3, "patience")]),
        ({"patience": 2, "mode": "max"}, [1, 2, 2, 1], [(3, "patience")]),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.6, 2.5, 2.4, 2.6, 2.7], [(2, "patience"), (5, "patience")]),
        ({"patience": 2, "nan": False}, [NAN, NAN, NAN, 1, NAN, NAN], [(5, "patience")]),
        ({"fn": lambda value, step: value > 2}, [1, 3, 4, 1, 5], [(1, "custom"), (4, "custom")]),
        (
            {"fn": lambda value, step: [{"title": str(value)}, {"title": "b"}]},
            [1, 2],
            [(0, "custom"), (0, "custom"), (1, "custom")],
        ),
    ],
)
def test_each_rule_fires_where_it_should(rules: dict[str, Any], values: list[float], expected: list[tuple[int, str]]):
    assert fired(values, **rules) == expected


@given(st.lists(st.floats(-100, 100) | st.sampled_from([0.0, NAN, INF]), max_size=60), st.integers(1, 6), st.floats(1.1, 5))
def test_a_spike_is_what_its_formula_says(values: list[float], window: int, factor: float):
    expected, before = [], False
    for step, value in enumerate(values):
        recent = [other for other in values[:step] if math.isfinite(other)][-window:]
        average = math.fsum(recent) / window
        spike = math.isfinite(value) and len(recent) == window and average != 0
        spike = spike and abs(value - average) > (factor - 1) * abs(average)
        if spike and not before:
            expected.append((step, "spike"))
        before = spike if math.isfinite(value) else before
    assert fired(values, nan=False, spike_factor=factor, window=window) == expected


@given(st.lists(st.integers(-5, 5).map(float), max_size=40), st.integers(1, 5), st.integers(0, 2), st.sampled_from(["min", "max"]))
def test_patience_ends_so_many_reports_after_the_best(values: list[float], patience: int, min_delta: int, mode: str):
    sign, best_at, expected = 1 if mode == "min" else -1, 0, []
    for step, value in enumerate(values):
        if step and sign * value < sign * values[best_at] - min_delta:
            best_at = step
        if step - best_at == patience:
            expected.append((step, "patience"))
    assert fired(values, patience=patience, min_delta=min_delta, mode=mode) == expected


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"metric": ""}, "the name of a metric"),
        ({"metric": 3}, "the name of a metric"),
        ({"level": "loud"}, "alert level 'loud'"),
        ({"mode": "best"}, "mode='best'"),
        ({"max_value": "high"}, "max_value='high' is not a number"),
        ({"max_value": NAN}, "max_value=nan can't be a limit"),
        ({"min_value": 2, "max_value": 1}, "min_value=2.0 is above max_value=1.0"),
        ({"spike_factor": 1.0}, "spike_factor=1.0 can't be a limit"),
        ({"window": 0}, "window=0 is not a number of reports"),
        ({"patience": 2.5}, "patience=2.5 is not a number of reports"),
        ({"patience": True}, "patience=True is not a number of reports"),
        ({"min_delta": -1}, "min_delta=-1.0 is negative"),
        ({"nan": False}, "nothing to watch 'loss' for"),
        ({"fn": 3}, "fn=3 can't be called"),
        ({"fn": len}, "fn must take a value and a step"),
    ],
    ids=str,
)
def test_what_can_not_be_meant_is_refused_at_once(rules: dict[str, Any], text: str, run: tasuki.Run):
    with pytest.raises(ConfigError, match=text):
        run.watch(**{"metric": "loss", **rules})


def test_watching_needs_a_run(data_dir: object):
    with pytest.raises(ConfigError, match="there is no run"):
        tasuki.watch("loss")
    with pytest.raises(ConfigError, match="there is no run"):
        tasuki.should_stop()


def test_a_nan_raises_an_alert_with_data_and_asks_the_run_to_stop(run: tasuki.Run, recorded: Recorded):
    tasuki.watch("train/loss", max_value=20)
    tasuki.log({"train/loss": 1.0, "other": NAN})
    assert not tasuki.should_stop()
    tasuki.log({"train/loss": 25.0})
    tasuki.log({"train/loss": np.float32("nan")})
    stop = tasuki.should_stop()
    assert stop
    assert (stop.source, stop.reason, stop.metric, stop.step) == ("watcher", "max_value", "train/loss", 1)
    high, nan = recorded(Alert)
    assert (high.reason, high.metric, high.value, high.step, high.data) == ("max_value", "train/loss", 25.0, 1, {"max_value": 20.0})
    assert high.title == "train/loss is 25, above 20"
    assert (nan.reason, nan.step) == ("nan", 2)
    assert math.isnan(nan.value)
    assert len(recorded(Metrics)) == 3


def test_alerts_alone_do_not_stop(run: tasuki.Run, recorded: Recorded):
    run.watch("x", min_value=0, spike_factor=2.0, window=1)
    for value in (1.0, -9.0, 5.0):
        run.log({"x": value})
    assert [alert.reason for alert in recorded(Alert)] == ["min_value", "spike"]
    assert not run.should_stop()


@pytest.mark.parametrize("value", [np.float64(3), np.array(3.0), 3, np.int64(3), type("Scalar", (), {"item": lambda self: 3.0})()])
def test_scalars_of_every_kind_are_watched(value: Any):
    watchers = Watchers()
    watchers.add(Watcher("x", max_value=2))
    assert [finding.value for finding in watchers.evaluate({"x": value}, 0)] == [3.0]


@pytest.mark.parametrize(
    "metrics", [{"a": {"b/c": 3}}, {"a/b": {"c": 3}}, {"a": {"b": {"c": 3}}}, {"a": {"x": 1}, "a/b": {"c": 3}}]
)
def test_a_nested_value_is_watched_by_its_name_with_slashes(metrics: dict[str, Any]):
    watchers = Watchers()
    watchers.add(Watcher("a/b/c", max_value=2))
    assert len(watchers.evaluate(metrics, 0)) == 1
    assert watchers.evaluate({"a": 1, "a/b": {"d": 3}, "x": "text"}, 1) == []


def test_what_is_no_number_is_not_watched(run: tasuki.Run, recorded: Recorded):
    run.watch("x", max_value=2)
    with pytest.warns(RuntimeWarning, match="can't store 'x'"):
        run.log({"x": "high"})
    assert recorded(Alert) == []


def test_a_rule_of_the_users_says_what_it_wants(run: tasuki.Run, recorded: Recorded):
    run.watch(
        "x", fn=lambda value, step: {"title": "odd", "level": "error", "stop": value > 1, "data": {"step": step}, "text": "!"}
    )
    run.log({"x": 2.0}, step=5)
    (alert,) = recorded(Alert)
    assert (alert.title, alert.level, alert.text, alert.data, alert.reason) == ("odd", "error", "!", {"step": 5}, "custom")
    assert run.should_stop().reason == "custom"


@pytest.mark.parametrize("said", [3, "text", [{"level": "loud"}], {"level": "loud"}], ids=repr)
def test_a_rule_that_can_not_be_understood_is_warned_of_once(said: object, run: tasuki.Run, recorded: Recorded):
    run.watch("x", fn=lambda value, step: said)
    with pytest.warns(RuntimeWarning, match="the watcher of 'x' failed, which is said once") as caught:
        run.log({"x": 2.0})
    run.log({"x": 3.0})
    assert [warning.filename for warning in caught] == [__file__]
    assert recorded(Alert) == []
    assert len(recorded(Metrics)) == 2


def test_a_rule_that_raises_never_reaches_the_training_loop(run: tasuki.Run, recorded: Recorded):
    run.watch("x", fn=lambda value, step: 1 / 0, max_value=1)
    with pytest.warns(RuntimeWarning, match="ZeroDivisionError"):
        run.log({"x": 2.0})
    assert [alert.reason for alert in recorded(Alert)] == ["max_value"]


def test_a_new_init_says_that_it_clears_the_watchers(run: tasuki.Run, recorded: Recorded):
    tasuki.watch("x", max_value=1)
    with pytest.warns(UserWarning, match="init\\(\\) clears the watchers"):
        after = tasuki.init(project="p")
    after.log({"x": 2.0})
    assert recorded(Alert) == []
    assert not tasuki.should_stop()


def test_four_threads_may_log_what_is_watched(run: tasuki.Run, recorded: Recorded):
    run.watch("x", patience=4_000, max_value=10)
    threads = [threading.Thread(target=lambda: [run.log({"x": 1.0}) for _ in range(1_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not run.should_stop()
    run.log({"x": 1.0})
    assert [alert.reason for alert in recorded(Alert)] == ["patience"]


def test_a_request_from_outside_is_seen_and_the_first_one_stands(run: tasuki.Run):
    assert not run.should_stop()
    path = run.stop_signal.path
    assert path == run.settings.dir / "control" / f"{run.id}.{run.start_record.attempt}"
    path.parent.mkdir()
    path.write_text('{"run": "r", "attempt": "a", "stop": "diverges"}')
    assert not run.should_stop()
    run.stop_signal.next_check_at = 0
    stop = run.should_stop()
    assert (stop.source, stop.reason) == ("control", "diverges")
    run.watch("x", max_value=1)
    run.log({"x": 2.0})
    assert run.should_stop() == stop


def test_a_request_that_can_not_be_read_is_no_request(run: tasuki.Run, caplog: pytest.LogCaptureFixture):
    run.stop_signal.path.parent.mkdir()
    run.stop_signal.path.write_text("{")
    assert not run.should_stop()
    assert "can't be read" in caplog.text
