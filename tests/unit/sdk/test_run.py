import errno
import math
import pickle
import threading
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tasuki
from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError
from tasuki.records import MAX_PAYLOAD_BYTES, Alert, Heartbeat, LostCalls, Metrics, RunStarted, RunStatus, RunUpdated, Status
from tests.support.journals import beginning, journals, records_of
from tests.unit.sdk.conftest import Recorded

Values = Callable[[], list[dict[str, Any]]]
Steps = Callable[[], list[int]]


# -- log


def test_a_call_is_on_record_when_it_returns(run: tasuki.Run, recorded: Recorded):
    before = SYSTEM_CLOCK.now_us()
    run.log({"train/loss": 0.1, "epoch": 3}, step=7)
    after = SYSTEM_CLOCK.now_us()
    (record,) = recorded(Metrics)
    assert (record.step, record.values) == (7, {"train/loss": 0.1, "epoch": 3})
    assert before <= record.time <= after


def test_the_facade_means_the_current_run(run: tasuki.Run, values: Values, recorded: Recorded):
    tasuki.log({"x": 1.0})
    tasuki.alert("hello")
    tasuki.config.update(lr=0.1)
    tasuki.finish()
    assert values() == [{"x": 1.0}]
    assert [type(record) for record in recorded()] == [RunStarted, type(recorded(Metrics)[0]), Alert, RunUpdated, RunStatus]


def test_a_missing_step_is_one_more_than_the_highest(run: tasuki.Run, steps: Steps):
    for step in (None, None, 10, None, 3, None, -5, None):
        run.log({"x": 1.0}, step=step)
    assert steps() == [0, 1, 10, 11, 3, 12, -5, 13]


@pytest.mark.parametrize(("step", "whole"), [(True, 1), (4.0, 4), (np.int32(4), 4), (np.float32(4.0), 4)], ids=repr)
def test_a_step_of_another_type_is_used_as_an_integer(step: Any, whole: int, run: tasuki.Run, steps: Steps):
    run.log({"x": 1.0}, step=step)
    run.log({"x": 1.0})
    assert steps() == [whole, whole + 1]


@pytest.mark.parametrize("step", [1.5, "7", math.nan, 2**63, 2**64, 2**100, -(2**63) - 1], ids=repr)
def test_a_step_that_is_none_is_replaced_with_a_warning(step: Any, run: tasuki.Run, steps: Steps):
    run.log({"x": 1.0}, step=41)
    with pytest.warns(RuntimeWarning, match=r"is not an integer of 64 bits; step 42 is used"):
        run.log({"x": 1.0}, step=step)
    assert steps() == [41, 42]


def test_behind_the_largest_step_comes_the_largest_step(run: tasuki.Run, steps: Steps):
    run.log({"x": 1.0}, step=2**63 - 1)
    with pytest.warns(RuntimeWarning, match="step 9223372036854775807 is used"):
        run.log({"x": 2.0})
    assert steps() == [2**63 - 1, 2**63 - 1]


@pytest.mark.parametrize("odd", [None, "text", [1], np.arange(2), object(), Decimal("sNaN")], ids=lambda odd: type(odd).__name__)
def test_a_value_that_can_not_be_stored_is_warned_of_and_the_rest_is_kept(odd: Any, run: tasuki.Run, values: Values):
    with pytest.warns(RuntimeWarning, match=f"can't store 'odd': it is a {type(odd).__name__}"):
        run.log({"a": 1.0, "odd": odd, "b": {"c": 2}})
    assert values() == [{"a": 1.0, "b": {"c": 2}}]


def test_it_warns_once_a_key_and_type_and_points_at_the_line(run: tasuki.Run):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            run.log({"a": None})
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("value", "number"),
    [(np.float32(0.5), 0.5), (Decimal("0.1"), 0.1), (True, True), (10**400, math.inf), (-(10**400), -math.inf)],
    ids=["numpy", "Decimal", "bool", "huge", "huge and negative"],
)
def test_odd_numbers_are_numbers(value: Any, number: float, run: tasuki.Run, values: Values):
    run.log({"x": value, "y": 1.0})
    assert values() == [{"x": number, "y": 1.0}]


def test_nan_and_infinities_are_values(run: tasuki.Run, values: Values):
    run.log({"nan": math.nan, "inf": math.inf, "minus": -math.inf})
    (kept,) = values()
    assert math.isnan(kept["nan"])
    assert (kept["inf"], kept["minus"]) == (math.inf, -math.inf)


def test_nested_metrics_and_odd_keys_are_kept(run: tasuki.Run, values: Values):
    run.log({"train": {"loss": 1.0, "deep": {"er": 2}}, 3: 4.0, "a/b": 5.0})
    run.log({3: 4.0, "": 1.0})
    assert values() == [{"train": {"loss": 1.0, "deep": {"er": 2}}, "3": 4.0, "a/b": 5.0}, {3: 4.0, "": 1.0}]


def test_a_key_that_is_no_utf8_is_kept_readable(run: tasuki.Run, values: Values):
    run.log({"\ud800x": 1.0})
    assert values() == [{"?x": 1.0}]


@pytest.mark.parametrize("metrics", [None, 3, "x", [("a", 1)], {1.0}])
def test_what_is_no_dict_is_refused(metrics: Any, run: tasuki.Run, recorded: Recorded):
    with pytest.raises(TypeError, match="log\\(\\) takes a dict of numbers, not a"):
        run.log(metrics)
    assert recorded(Metrics) == []


def test_a_call_that_is_too_long_is_counted_as_lost_and_the_run_goes_on(run: tasuki.Run, values: Values, recorded: Recorded):
    with pytest.warns(RuntimeWarning, match=f"{MAX_PAYLOAD_BYTES} are the most"):
        run.log({"x" * MAX_PAYLOAD_BYTES: 1.0})
    run.log({"y": 1.0})
    assert values() == [{"y": 1.0}]
    assert [record.n for record in recorded(LostCalls)] == [1]


def test_calls_that_the_disk_refuses_are_said_once_and_counted(run: tasuki.Run, values: Values, recorded: Recorded):
    write = run.appender.write

    def full(frame: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    run.appender.write = full
    with pytest.warns(RuntimeWarning, match=r"can't write to .*: No space left on device; the run goes on") as caught:
        run.log({"x": 1.0})
    for _ in range(4):
        run.log({"x": 1.0})
    assert [warning.filename for warning in caught] == [__file__]
    run.appender.write = write
    run.log({"x": 2.0})
    assert values() == [{"x": 2.0}]
    assert [record.n for record in recorded(LostCalls)] == [5]


def test_a_call_that_was_cut_short_ends_its_file_and_the_next_one_goes_on(run: tasuki.Run, values: Values, recorded: Recorded):
    run.appender.write = lambda frame: len(frame) - 1
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        run.log({"x": 1.0})
    run.log({"x": 2.0})
    assert values() == [{"x": 2.0}]
    assert [record.n for record in recorded(LostCalls)] == [1]
    assert len(journals(run.settings.dir)) == 2


def test_an_exception_out_of_a_call_ends_its_file_and_is_raised(run: tasuki.Run, values: Values):
    def interrupted(frame: bytes) -> int:
        raise KeyboardInterrupt

    run.appender.write = interrupted
    with pytest.raises(KeyboardInterrupt):
        run.log({"x": 1.0})
    run.log({"x": 2.0})
    assert values() == [{"x": 2.0}]
    assert len(journals(run.settings.dir)) == 2


def test_a_durable_call_is_on_the_disk(run: tasuki.Run, values: Values):
    run.log({"x": 1.0}, durable=True)
    assert values() == [{"x": 1.0}]
    assert run.appender.writer.synced_bytes == journals(run.settings.journal_root)[0].stat().st_size


def test_threads_may_log_at_once(run: tasuki.Run, values: Values):
    def log(thread: int) -> None:
        for n in range(300):
            run.log({f"t{thread}": n})

    threads = [threading.Thread(target=log, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sorted((key, value) for record in values() for key, value in record.items())
    assert found == sorted((f"t{thread}", n) for thread in range(4) for n in range(300))


# -- alert


@pytest.mark.parametrize("level", ["info", "warn", "error", tasuki.AlertLevel.ERROR])
def test_an_alert_is_on_record_with_its_level(level: str, run: tasuki.Run, recorded: Recorded):
    run.alert("loss is flat", "since step 3", level=level, step=4, data={"window": np.int64(50)})
    (alert,) = recorded(Alert)
    assert (alert.title, alert.text, alert.level, alert.step, alert.data) == (
        "loss is flat",
        "since step 3",
        level,
        4,
        {"window": 50},
    )


def test_an_alert_warns_where_no_level_is_given(run: tasuki.Run, recorded: Recorded):
    run.alert("x")
    assert [(alert.level, alert.data, alert.step) for alert in recorded(Alert)] == [("warn", None, None)]


def test_an_alert_of_another_level_is_refused_with_those_there_are(run: tasuki.Run):
    with pytest.raises(ConfigError, match=r"no alert level 'loud' \(one of info, warn, error\)"):
        run.alert("x", level="loud")


def test_an_alert_of_odd_values_is_an_alert(run: tasuki.Run, recorded: Recorded):
    run.log({"x": 1.0}, step=6)
    run.alert(ValueError("boom"), text=3, step=np.int64(2))  # type: ignore[arg-type]
    with pytest.warns(RuntimeWarning, match="step='last'.* step 7 is used"):
        run.alert("\ud800", step="last")  # type: ignore[arg-type]
    assert [(alert.title, alert.text, alert.step) for alert in recorded(Alert)] == [("boom", "3", 2), ("?", None, 7)]


def test_an_alerts_data_must_have_keys(run: tasuki.Run):
    with pytest.raises(ConfigError, match="an alert's data is a list"):
        run.alert("x", data=[1])  # type: ignore[arg-type]


# -- config


def test_a_change_of_the_config_is_on_record(run: tasuki.Run, recorded: Recorded):
    run.config["lr"] = 0.1
    run.config.update(lr=0.2, depth=3)
    assert [record.config for record in recorded(RunUpdated)] == [{"lr": 0.1}, {"lr": 0.2, "depth": 3}]


# -- the end


def ends(recorded: Recorded) -> list[tuple[str, str | None]]:
    return [(record.status, record.reason) for record in recorded(RunStatus)]


def test_a_finished_run_says_so_and_is_sealed(run: tasuki.Run, recorded: Recorded):
    run.finish()
    assert ends(recorded) == [("finished", None)]
    assert recorded(RunStatus)[0].attempt == recorded(RunStarted)[0].attempt
    (path,) = journals(run.settings.journal_root)
    assert beginning(path)[0].is_sealed
    assert [entry for entry in path.parent.iterdir()] == [path]


def test_the_first_end_stands(run: tasuki.Run, recorded: Recorded):
    run.finish("failed", reason="boom")
    run.finish()
    assert ends(recorded) == [("failed", "boom")]


def test_an_end_that_is_none_is_refused_and_the_run_goes_on(run: tasuki.Run, values: Values):
    for status in ("running", "crashed", "done"):
        with pytest.raises(ConfigError, match=f"can't be finished as '{status}'"):
            run.finish(status)
    run.log({"x": 1.0})
    assert values() == [{"x": 1.0}]


def test_a_reason_of_any_type_is_kept_as_text(run: tasuki.Run, recorded: Recorded):
    run.finish("failed", reason=ValueError("boom \ud800"))  # type: ignore[arg-type]
    assert ends(recorded) == [("failed", "boom ?")]


def test_what_is_logged_behind_the_end_is_not_kept_and_says_so(run: tasuki.Run, values: Values):
    run.finish()
    with pytest.warns(RuntimeWarning, match="the run is finished") as caught:
        run.log({"x": 1.0})
    assert caught[0].filename == __file__
    assert values() == []


def test_a_with_block_finishes_the_run(data_dir: Path, recorded: Recorded):
    with tasuki.init(project="p") as run:
        run.log({"x": 1.0})
    assert ends(recorded) == [("finished", None)]


def test_an_exception_out_of_a_with_block_fails_the_run(data_dir: Path, recorded: Recorded):
    with pytest.raises(ZeroDivisionError), tasuki.init(project="p"):
        1 / 0  # noqa: B018 - it raises
    assert ends(recorded) == [("failed", "ZeroDivisionError: division by zero")]


def test_a_run_finished_inside_its_with_block_stays_as_it_was_finished(data_dir: Path, recorded: Recorded):
    with tasuki.init(project="p") as run:
        run.finish("failed", reason="by hand")
    assert ends(recorded) == [("failed", "by hand")]


# -- other processes


def test_a_pickled_run_logs_to_the_same_run_with_a_writer_of_its_own(run: tasuki.Run, recorded: Recorded):
    twin = pickle.loads(pickle.dumps(run))
    twin.log({"x": 1.0})
    twin.finish()
    assert [(beginning(path)[0].project, beginning(path)[0].run) for path in journals(run.settings.journal_root)] == [
        ("p", run.id)
    ] * 2
    assert len(recorded(Metrics)) == 1
    assert recorded(RunStatus) == []
    assert len(recorded(RunStarted)) == 1


def test_a_run_shows_what_it_is(run: tasuki.Run):
    assert repr(run) == f"Run(project='p', name={run.name!r}, id={run.id!r})"


def test_a_heartbeat_says_that_the_process_lives(run: tasuki.Run, recorded: Recorded):
    run.append_heartbeat()
    assert len(recorded(Heartbeat)) == 1


def test_a_long_run_continues_in_another_file_that_says_whose_it_is(
    run: tasuki.Run, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tasuki.journal.appender.MAX_FILE_BYTES", 1)
    run.log({"x": 1.0})
    run.appender.maintain()
    run.log({"x": 2.0})
    starts = recorded(RunStarted)
    assert len(starts) == 2
    assert starts[0] == starts[1]
    assert all(isinstance(records_of(path)[0], RunStarted) for path in journals(run.settings.journal_root))
    assert Status.RUNNING not in {status for status, _ in ends(recorded)}
