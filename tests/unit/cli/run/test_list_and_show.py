import json
import math

import pytest

from tasuki.cli.run.list import list_runs
from tasuki.cli.run.show import show_files, show_history, show_run
from tasuki.cli.run.tables import select_key_metrics
from tasuki.cli.shared.options import QueryTarget
from tasuki.errors import NotFound
from tasuki.records import Alert, AlertLevel, File, Status
from tasuki.testing import MemoryStore
from tests.support.recorded_runs import BEGAN, add_run


@pytest.fixture
def asked() -> QueryTarget:
    store = MemoryStore()
    calls = [{"train/loss": 2.5}, {"train/loss": 1.25, "val/acc": 0.5}]
    add_run(store, "abc1", calls, name="lr-0.1", config={"lr": 0.1, "odd\t": [1]}, status=Status.FINISHED)
    alert = Alert(time=BEGAN + 5, title="the loss is NaN", level=AlertLevel.ERROR, step=1, data={"lr": 9})
    diverged = [{"train/loss": 2.0, "rare": 1.0}, {"train/loss": math.nan}]
    add_run(store, "abc2", diverged, name="lr-9", more=[alert], status=Status.FAILED, reason="diverged")
    return QueryTarget(store, "digits")


def lines(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_list_has_a_line_per_run_and_the_metrics_that_most_have(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    list_runs(asked, [], as_json=False)
    assert lines(capsys) == [
        ["name", "id", "status", "points", "created", "duration", "train/loss", "rare", "val/acc"],
        ["lr-0.1", "abc1", "finished", "3", "2027-01-15T08:00:00.000000Z", "3.0", "1.25", "", "0.5"],
        ["lr-9", "abc2", "failed", "3", "2027-01-15T08:00:00.000001Z", "4.0", "NaN", "1.0", ""],
    ]


def test_list_as_json_has_the_last_value_of_every_metric(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    list_runs(asked, [], as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "tasuki/run-list/1"
    assert document["project"] == "digits"
    assert [(run["id"], run["status"], run["reason"], run["last"]) for run in document["runs"]] == [
        ("abc1", "finished", None, {"train/loss": 1.25, "val/acc": 0.5}),
        ("abc2", "failed", "diverged", {"train/loss": "NaN", "rare": 1.0}),
    ]


def test_key_metrics_are_the_three_that_most_runs_have() -> None:
    assert select_key_metrics([{"d": 1, "b": 1, "a": 1}, {"b": 1, "c": 1}, {"c": 1}]) == ["b", "c", "a"]


def test_show_in_a_pipe_is_a_field_a_line(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_run(asked, "lr-0.1", as_json=False)
    fields = {line[0]: line[1:] for line in lines(capsys)}
    assert fields["config.lr"] == ["0.1"]
    assert fields["config.odd\\t"] == ["[1]"]
    assert fields["metrics.train/loss.min_step"] == ["1"]
    assert fields["status"] == ["finished"]


def test_show_as_json_has_facts_config_metrics_and_alerts(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_run(asked, "abc2", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "tasuki/run-show/1"
    assert document["run"]["config"] == {}
    assert document["metrics"]["train/loss"] | {"first_step": 0} == {
        "n": 2,
        "first": 2.0,
        "first_step": 0,
        "last": "NaN",
        "last_step": 1,
        "last_time": "2027-01-15T08:00:01.000001Z",
        "min": 2.0,
        "min_step": 0,
        "max": 2.0,
        "max_step": 0,
    }
    assert [(alert["level"], alert["title"], alert["data"]) for alert in document["alerts"]] == [
        ("error", "the loss is NaN", {"lr": 9})
    ]


def test_history_has_a_line_per_call_and_a_column_per_metric(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_history(asked, "abc2", None, as_json=False)
    assert lines(capsys) == [
        ["step", "time", "train/loss", "rare"],
        ["0", "2027-01-15T08:00:00.000001Z", "2.0", "1.0"],
        ["1", "2027-01-15T08:00:01.000001Z", "NaN", ""],
    ]


def test_history_of_a_metric_has_no_other_metric(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_history(asked, "abc1", "val/acc", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "tasuki/run-history/1"
    assert document["rows"] == [{"step": 1, "time": "2027-01-15T08:00:01.000000Z", "metrics": {"val/acc": 0.5}}]


@pytest.mark.parametrize("command", [show_run, lambda asked, ref, as_json: show_history(asked, ref, None, as_json=as_json)])
def test_a_run_that_is_not_there_is_an_error(asked: QueryTarget, command: object) -> None:
    with pytest.raises(NotFound):
        command(asked, "nope", as_json=True)  # type: ignore[operator]


def test_files_are_listed_in_a_pipe_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    store = MemoryStore()
    file = File(time=BEGAN + 5, path="net.yaml", step=3, sha256="0" * 64, size=9, media_type="text/plain", caption="a\tb")
    add_run(store, "abc1", [{"x": 1.0}], name="lr-0.1", more=[file], status=Status.FINISHED)
    show_files(QueryTarget(store, "digits"), "lr-0.1", as_json=False)
    assert lines(capsys) == [
        ["name", "key", "step", "form", "size", "media_type", "sha256", "caption"],
        ["net.yaml", "", "3", "file", "9", "text/plain", "0" * 64, "a\\tb"],
    ]
    show_files(QueryTarget(store, "digits"), "lr-0.1", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["run"], document["files"][0]["caption"]) == ("tasuki/run-files/1", "abc1", "a\tb")
