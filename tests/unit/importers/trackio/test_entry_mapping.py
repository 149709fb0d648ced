"""What trackio's entries mean here."""

import json
import math

import pytest

from tasuki.errors import ConfigError
from tasuki.importers.trackio.client_protocol import AlertEntry
from tasuki.importers.trackio.entry_mapping import (
    base_name,
    build_alert,
    build_run_started,
    map_metrics,
    map_run_id,
    parse_status,
    parse_time_us,
)
from tasuki.records import Status


def test_a_run_is_known_by_its_id_and_before_there_were_ids_by_its_name():
    assert map_run_id("calm otter", "0123456789abcdef" * 2) == "0123456789abcdef" * 2
    assert map_run_id("calm-otter", None) == "calm-otter"
    assert map_run_id("calm otter", None) == map_run_id(None, "calm otter") != map_run_id("calm  otter", None)
    assert len(map_run_id("é" * 500, None)) == 16
    with pytest.raises(ConfigError):
        map_run_id(None, "")


def test_numbers_are_numbers_whatever_they_are_written_as():
    numbers, files = map_metrics({"a": 1.5, "b": 2, "c": True, "d": "NaN", "e": {"f": "-Infinity", "g": 2**70}, "h": None}, 3, 7)
    assert files == []
    assert math.isnan(numbers.pop("d"))
    assert numbers == {"a": 1.5, "b": 2, "c": True, "e/f": -math.inf, "e/g": float(2**70)}


def test_what_is_no_number_is_a_file_of_its_own():
    values = {
        "picture": {"_type": "trackio.image", "file_path": "p/r/3/7f.png", "caption": None},
        "table": {"_type": "trackio.table", "_value": [{"a": 1}]},
        "histogram": {"_type": "trackio.histogram", "bins": [0, 1], "values": [3]},
        "report": {"_type": "trackio.markdown", "_value": "# é"},
        "later": {"_type": "trackio.later", "x": 1},
        "text": "fine",
        "list": [1, 2**70],
        "deep": {"inner": {"text": "x"}},
    }
    numbers, files = map_metrics(values, 3, 7)
    assert numbers == {}
    assert {file.key: file.form for file in files} == {
        "picture": "image", "table": "table", "histogram": "histogram", "report": "markdown", "later": "json", "text": "text",
        "list": "json", "deep/inner/text": "text",
    }  # fmt: skip
    assert {(file.step, file.time) for file in files} == {(3, 7)}
    by_key = {file.key: file for file in files}
    assert (by_key["picture"].path, by_key["picture"].content) == ("7f.png", None)
    assert by_key["report"].content == "# é"
    assert by_key["report"].size == 4
    assert json.loads(by_key["table"].content or "")["_value"] == [{"a": 1}]
    assert by_key["list"].content == f"[1,{2**70}]"


def test_an_attempt_begins_with_what_trackio_puts_into_the_config():
    config = {"lr": 0.1, "_Created": "2026-11-24T00:00:00+00:00", "_Username": "me", "_Group": "sweep", "big": [2**64]}
    record = build_run_started("one", "name", config, 5)
    assert (record.time, record.group, record.config) == (1795478400_000_000, "sweep", {"lr": 0.1, "big": [float(2**64)]})
    assert record.environment == {"tracker": "trackio", "created": "2026-11-24T00:00:00+00:00", "user": "me"}
    assert build_run_started("one", None, None, 5).time == 5


def test_moments_that_are_none_are_replaced():
    assert parse_time_us("2026-11-24T00:00:00", 1) == parse_time_us("2026-11-24T01:00:00+01:00", 1) == 1795478400_000_000
    for text in ("yesterday", "", None, 5, "9999-12-31T23:59:59-23:59"):
        assert parse_time_us(text, 1) == 1 or text == "9999-12-31T23:59:59-23:59"
    assert parse_time_us("0001-01-01T00:00:00", 1) in {0, 1}


def test_a_level_that_is_none_is_a_warning_and_a_status_that_is_none_is_refused():
    assert build_alert(AlertEntry(project="p", title="t", level="LOUD"), 1).level == "warn"
    assert build_alert(AlertEntry(project="p", title="t", level="ERROR"), 1).level == "error"
    assert (parse_status("Completed"), parse_status("crashed"), parse_status("running")) == (
        Status.FINISHED,
        Status.FAILED,
        Status.RUNNING,
    )
    with pytest.raises(ConfigError):
        parse_status("lost")


def test_a_name_leads_nowhere():
    assert [base_name(path) for path in ("a/b.png", "a\\b.png", "b.png", "../..", "/", ".")] == [
        "b.png",
        "b.png",
        "b.png",
        "",
        "",
        "",
    ]
