import csv
import io
import json
import math

import pytest

from tasuki.cli.export import ExportSelection, open_output, write_csv, write_jsonl
from tasuki.records import Alert, Lesson, Status
from tasuki.testing import MemoryStore
from tests.support.recorded_runs import BEGAN, add_run


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    calls = [{"loss": 0.1 + 0.2}, {"loss": math.nan, "acc": math.inf}]
    more = [Alert(time=BEGAN + 5, title="flat", data={"w": 3}), Lesson(time=BEGAN + 6, event_id="e", text="less")]
    add_run(store, "abc1", calls, name='a "name",\nin two lines', config={"lr": 0.1}, more=more, status=Status.FINISHED)
    add_run(store, "abc2", [], name="empty")
    return store


def exported(store: MemoryStore, write, metrics: list[str] | None = None) -> str:
    out, told = io.StringIO(), []
    write(store, ExportSelection("digits", store.runs("digits"), metrics), out, told.append)
    assert told
    assert told == sorted(told)
    return out.getvalue()


def test_csv_has_a_line_per_call_and_a_column_per_metric_in_full(store: MemoryStore) -> None:
    rows = list(csv.reader(io.StringIO(exported(store, write_csv))))
    assert rows == [
        ["run", "name", "step", "time", "acc", "loss"],
        ["abc1", 'a "name",\nin two lines', "0", "2027-01-15T08:00:00.000000Z", "", "0.30000000000000004"],
        ["abc1", 'a "name",\nin two lines', "1", "2027-01-15T08:00:01.000000Z", "Infinity", "NaN"],
    ]


def test_csv_of_some_metrics_has_only_the_calls_that_logged_them(store: MemoryStore) -> None:
    rows = list(csv.reader(io.StringIO(exported(store, write_csv, ["acc"]))))
    assert [row[4:] for row in rows] == [["acc"], ["Infinity"]]


def test_jsonl_has_runs_calls_alerts_and_notes(store: MemoryStore) -> None:
    lines = [json.loads(line) for line in exported(store, write_jsonl).splitlines()]
    assert [line.pop("type") for line in lines] == ["export", "run", "metrics", "metrics", "run", "alert", "note"]
    assert lines[0] == {"schema": "tasuki/export/1", "project": "digits"}
    assert (lines[1]["id"], lines[1]["config"], lines[1]["status"]) == ("abc1", {"lr": 0.1}, "finished")
    assert (lines[3]["run"], lines[3]["step"], lines[3]["time"]) == ("abc1", 1, "2027-01-15T08:00:01.000000Z")
    assert lines[3]["metrics"] == {"loss": "NaN", "acc": "Infinity"}
    assert (lines[4]["id"], lines[5]["run"], lines[5]["data"], lines[6]["text"]) == ("abc2", "abc1", {"w": 3}, "less")


def test_a_file_is_there_when_it_is_whole(tmp_path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(TypeError), open_output(str(path)) as out:
        out.write("half") + None
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("out.csv", "before")]
    with open_output(str(path)) as out:
        out.write("whole")
    assert path.read_text() == "whole"
