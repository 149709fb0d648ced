import math
from pathlib import Path

import numpy as np
import pytest

import tasuki
from tasuki.errors import ConfigError, NotFound
from tasuki.records import Alert, RunStatus, Status
from tasuki.sdk.query.api import Api, resolve_project
from tasuki.testing import MemoryStore
from tests.support.recorded_runs import BEGAN, add_run


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    alerts = [
        Alert(time=BEGAN + 5, title="flat", reason="patience", data={"window": 50}),
        Alert(time=BEGAN + 9, title="spike"),
    ]
    calls = [{"train/loss": 2.5}, {"train/loss": math.nan, "val/acc": 0.5}]
    add_run(store, "abc1", calls, name="lr-0.1", config={"lr": 0.1}, group="sweep", more=alerts, status=Status.FINISHED)
    add_run(store, "abc2", [], name="lr-9", more=[Alert(time=BEGAN, title="spike")])
    return store


@pytest.fixture
def api(store: MemoryStore, tmp_path: Path) -> Api:
    return Api(dir=str(tmp_path), query=store)


def test_the_facade_has_it() -> None:
    assert tasuki.Api is Api


def test_a_run_is_as_it_was_listed(api: Api) -> None:
    run = api.runs("digits")[0]
    assert (run.id, run.name, run.project, run.group, run.tags, run.notes) == ("abc1", "lr-0.1", "digits", "sweep", [], None)
    assert run.config == {"lr": 0.1}
    assert repr(run) == "ApiRun(project='digits', name='lr-0.1', id='abc1')"


def test_runs_are_found_by_id_its_beginning_or_name(api: Api) -> None:
    assert [api.run(ref).id for ref in ("abc2", "lr-9", "abc1")] == ["abc2", "abc2", "abc1"]
    with pytest.raises(NotFound):
        api.run("abc")
    with pytest.raises(NotFound):
        api.runs("nope")


def test_status_is_asked_for_anew(store: MemoryStore, api: Api) -> None:
    run = api.run("lr-9")
    before = run.status
    record = RunStatus(time=BEGAN + 9, attempt="one", status=Status.FAILED)
    add_run(store, "abc2", [], name="lr-9", more=[record])
    assert (before, run.status) == (Status.CRASHED, "failed")


def test_history_has_seconds_and_with_a_metric_no_other(api: Api) -> None:
    run = api.run("lr-0.1")
    whole = run.history()
    assert [(row["step"], row["time"]) for row in whole] == [(0, BEGAN / 1e6), (1, BEGAN / 1e6 + 1)]
    assert whole[0]["metrics"] == {"train/loss": 2.5}
    assert math.isnan(whole[1]["metrics"]["train/loss"])
    assert [row["metrics"] for row in run.history(metric="val/acc")] == [{"val/acc": 0.5}]


def test_metrics_and_their_last_values(api: Api) -> None:
    run = api.run("lr-0.1")
    assert run.metrics() == ["train/loss", "val/acc"]
    final = run.final_metrics()
    assert final["val/acc"] == 0.5
    assert math.isnan(final["train/loss"])
    assert api.run("lr-9").final_metrics() == {}


def test_series_are_arrays(api: Api) -> None:
    series = api.run("lr-0.1").series("train/loss")
    assert series.values.dtype == np.float64
    assert series.steps.tolist() == [0, 1]
    assert series.times.tolist() == [BEGAN, BEGAN + 1_000_000]
    with pytest.raises(NotFound):
        api.run("lr-0.1").series("nope")


def test_alerts_by_run_and_reason(api: Api) -> None:
    assert [alert.title for alert in api.alerts()] == ["spike", "flat", "spike"]
    assert [alert.title for alert in api.alerts("digits", run="lr-0.1")] == ["flat", "spike"]
    assert [alert.data for alert in api.alerts(reason="patience")] == [{"window": 50}]
    assert [alert.title for alert in api.run("lr-9").alerts()] == ["spike"]


def test_the_only_project_is_meant_when_none_is_named(store: MemoryStore, api: Api) -> None:
    assert len(api.runs()) == 2
    add_run(store, "xyz", project="other")
    assert api.projects() == ["digits", "other"]
    with pytest.raises(ConfigError, match="2 projects") as error:
        api.runs()
    assert "digits, other" in (error.value.hint or "")


def test_an_empty_folder_says_how_to_begin() -> None:
    with pytest.raises(ConfigError, match="nothing is recorded") as error:
        resolve_project(MemoryStore(), None)
    assert "tasuki.init" in (error.value.hint or "")


def test_a_named_project_is_looked_up_as_it_is_kept() -> None:
    assert resolve_project(MemoryStore(), " e\u0301 ") == "é"


def test_what_was_handed_over_is_not_closed(store: MemoryStore, tmp_path: Path) -> None:
    class Closed(MemoryStore):
        closed = False

        def close(self) -> None:
            self.closed = True

    handed = Closed()
    with Api(dir=str(tmp_path), query=handed):
        pass
    assert not handed.closed
