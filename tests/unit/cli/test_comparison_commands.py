import json
import math

import pytest

from tasuki.cli.alert import list_alerts
from tasuki.cli.best import show_best
from tasuki.cli.compare import show_comparison
from tasuki.cli.run.diff import show_diff
from tasuki.cli.run.edit import apply_edit
from tasuki.cli.run.wait import wait_and_print
from tasuki.cli.shared.options import QueryTarget
from tasuki.cli.summary import show_summary
from tasuki.errors import ConfigError, NotFound
from tasuki.records import Alert, AlertLevel, RunEdit, Status
from tasuki.sdk.query.wait import STALLED_AFTER, parse_condition
from tasuki.testing import MemoryStore
from tests.support.recorded_runs import BEGAN, add_run

LAST = {"mode": "min", "by": "last"}


@pytest.fixture
def asked() -> QueryTarget:
    store = MemoryStore()
    nan = Alert(time=BEGAN + 5, title="NaN\tseen", level=AlertLevel.ERROR, reason="nan", metric="loss", step=1, data={"lr": 9})
    add_run(store, "abc1", [{"loss": 3.0}, {"loss": 1.0}], name="twin", config={"lr": 0.1, "seed": 1}, status=Status.FINISHED)
    add_run(store, "abc2", [{"loss": 1.5, "acc": 0.5}, {"loss": math.nan}], name="twin", config={"lr": 0.2, "seed": 1}, more=[nan])
    add_run(store, "abc3", [{"loss": 2.0}], name="other", more=[Alert(time=BEGAN + 9, title="flat")], status=Status.FAILED)
    return QueryTarget(store, "digits")


def lines(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def document(capsys: pytest.CaptureFixture[str], schema: str) -> dict:
    found = json.loads(capsys.readouterr().out)
    assert found.pop("schema") == f"tasuki/{schema}"
    return found


def test_best_in_a_pipe(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_best(asked, "loss", LAST, 10, as_json=False)
    assert lines(capsys) == [
        ["rank", "name", "id", "status", "loss", "step", "n"],
        ["1", "twin", "abc1", "finished", "1.0", "1", "2"],
        ["2", "other", "abc3", "failed", "2.0", "0", "1"],
    ]


def test_best_as_json(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_best(asked, "loss", {"mode": "max", "by": "max"}, 1, as_json=True)
    found = document(capsys, "best/1")
    assert (found["project"], found["metric"], found["mode"], found["by"]) == ("digits", "loss", "max", "max")
    (best,) = found["best"]
    assert (best["rank"], best["value"], best["step"], best["run"]["id"], best["summary"]["last"]) == (1, 3.0, 0, "abc1", 1.0)


def test_compare_in_a_pipe_has_all_metrics_and_of_the_config_what_differs(
    asked: QueryTarget, capsys: pytest.CaptureFixture[str]
) -> None:
    show_comparison(asked, ["abc2", "abc1"], None, as_json=False)
    assert lines(capsys) == [
        ["name", "id", "status", "acc", "loss", "config.lr"],
        ["twin", "abc2", "crashed", "0.5", "NaN", "0.2"],
        ["twin", "abc1", "finished", "", "1.0", "0.1"],
    ]


def test_compare_as_json(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(asked, ["abc1", "other"], ["loss"], as_json=True)
    found = document(capsys, "compare/1")
    assert (found["metrics"], found["differing"]) == (["loss"], ["lr", "seed"])
    assert [(run["id"], run["metrics"]["loss"]["last"]) for run in found["runs"]] == [("abc1", 1.0), ("abc3", 2.0)]


def test_summary_in_a_pipe_is_a_field_a_line(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(asked, as_json=False)
    fields = {line[0]: line[1] for line in lines(capsys)}
    assert fields["runs"] == "3"
    assert fields["statuses.crashed"] == "1"
    assert fields["alerts.error"] == "1"
    assert (fields["metrics.loss.min"], fields["metrics.loss.min_run"]) == ("1.0", "abc1")


def test_summary_as_json(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(asked, as_json=True)
    found = document(capsys, "summary/1")
    assert found["statuses"] == {"running": 0, "finished": 1, "failed": 1, "crashed": 1}
    assert found["alerts"] == {"info": 0, "warn": 1, "error": 1}
    assert found["metrics"] == [
        {"metric": "acc", "runs": 1, "min": 0.5, "min_run": "abc2", "max": 0.5, "max_run": "abc2"},
        {"metric": "loss", "runs": 3, "min": 1.0, "min_run": "abc1", "max": 3.0, "max_run": "abc1"},
    ]


def test_diff_has_what_differs_and_how_much(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_diff(asked, "abc1", "abc3", as_json=False)
    found = lines(capsys)
    assert found[0] == ["field", "abc1", "abc3", "change"]
    assert ["name", "twin", "other", ""] in found
    assert ["config.lr", "0.1", "", ""] in found
    assert ["metrics.loss", "1.0", "2.0", "1.0"] in found
    with pytest.raises(ConfigError, match="the same run"):
        show_diff(asked, "abc1", "abc1", as_json=False)


def test_diff_as_json_names_both(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    show_diff(asked, "abc1", "abc2", as_json=True)
    found = document(capsys, "run-diff/1")
    assert (found["first"], found["second"]) == ({"id": "abc1", "name": "twin"}, {"id": "abc2", "name": "twin"})
    fields = {row["field"]: (row["first"], row["second"], row["change"]) for row in found["differences"]}
    assert fields["metrics.loss"] == (1.0, "NaN", "NaN")
    assert fields["metrics.acc"] == (None, 0.5, None)
    assert "config.seed" not in fields


def test_alerts_in_a_pipe_have_their_ids_whole(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    list_alerts(asked, None, {"reason": None, "level": None, "since": None}, as_json=False)
    head, second, first = lines(capsys)
    assert head == ["id", "time", "level", "run", "name", "title", "reason", "metric", "value", "step", "data"]
    assert first[2:] == ["error", "abc2", "twin", "NaN\\tseen", "nan", "loss", "", "1", '{"lr": 9}']
    list_alerts(asked, None, {"reason": None, "level": None, "since": second[0]}, as_json=False)
    assert lines(capsys)[1:] == [first]


def test_alerts_as_json_say_where_to_go_on(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    list_alerts(asked, None, {"reason": "nan", "level": "error", "since": None}, as_json=True)
    found = document(capsys, "alert-list/1")
    (alert,) = found["alerts"]
    assert (found["cursor"], alert["run"], alert["data"]) == (alert["id"], "abc2", {"lr": 9})
    list_alerts(asked, "other", {"reason": None, "level": "error", "since": alert["id"]}, as_json=True)
    assert document(capsys, "alert-list/1") == {"project": "digits", "alerts": [], "cursor": alert["id"]}
    with pytest.raises(ConfigError, match="no alert level"):
        list_alerts(asked, None, {"reason": None, "level": "loud", "since": None}, as_json=True)


def test_wait_says_what_came_of_it(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    limits = (None, STALLED_AFTER)
    assert wait_and_print(asked, "abc1", parse_condition("loss<=1"), limits, as_json=True)
    found = document(capsys, "run-wait/1")
    assert {key: found[key] for key in ("run", "status", "until", "outcome", "value", "step")} == {
        "run": "abc1", "status": "finished", "until": "loss<=1", "outcome": "true", "value": 1.0, "step": 1,
    }  # fmt: skip
    assert not wait_and_print(asked, "other", None, limits, as_json=False)
    output = capsys.readouterr()
    assert output.out.splitlines()[1].split("\t") == ["abc3", "other", "failed", "", "ended", "", ""]
    assert output.err == "other (abc3) is failed; it has not finished\n"


def test_a_change_prints_the_run_as_it_is_then(asked: QueryTarget, capsys: pytest.CaptureFixture[str]) -> None:
    apply_edit(asked, "abc1", RunEdit(name="new", tags_added=["t"]), as_json=True)
    found = document(capsys, "run-edit/1")
    assert (found["run"]["id"], found["run"]["name"], found["run"]["tags"]) == ("abc1", "new", ["t"])


@pytest.mark.parametrize(
    "question",
    [
        lambda asked: show_best(asked, "los", LAST, 1, as_json=True),
        lambda asked: show_comparison(asked, ["nobody"], None, as_json=True),
        lambda asked: show_comparison(asked, ["abc1"], ["nothing"], as_json=True),
        lambda asked: show_diff(asked, "abc1", "nobody", as_json=True),
        lambda asked: show_summary(QueryTarget(asked.query, "digit"), as_json=True),
        lambda asked: list_alerts(asked, "nobody", {"reason": None, "level": None, "since": None}, as_json=True),
        lambda asked: apply_edit(asked, "twin", RunEdit(name="x"), as_json=True),
    ],
)
def test_what_is_not_there_is_an_error_and_prints_nothing(asked: QueryTarget, question, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotFound):
        question(asked)
    assert capsys.readouterr().out == ""
