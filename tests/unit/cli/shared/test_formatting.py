import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tasuki.cli.shared.formatting import (
    format_cell,
    format_iso,
    format_tsv_cell,
    replace_control_characters,
    to_json_data,
    truncate,
)
from tasuki.records import Status

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456, "0.1235"),
        (0.397, "0.3970"),
        (1234.5678, "1235"),
        (1409.0, "1,409"),
        (3.0e-7, "3.000e-07"),
        (-2.5e300, "-2.500e+300"),
        (1e20, "1.000e+20"),
        (math.nan, "NaN"),
        (-math.inf, "-∞"),
        (12481, "12,481"),
        (True, "yes"),
        (None, ""),
        (["a", "b"], "a, b"),
        ({"lr": math.nan}, '{"lr": "NaN"}'),
        (Status.FAILED, "failed"),
    ],
)
def test_people_get_4_significant_digits(value: object, shown: str) -> None:
    assert format_cell(value, NOW) == shown


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(seconds=0.4), "now"),
        (timedelta(seconds=7.25), "7 s ago"),
        (timedelta(seconds=59.7), "59 s ago"),
        (timedelta(minutes=3, seconds=5), "3 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
    ],
)
def test_a_time_within_a_day_is_relative(ago: timedelta, shown: str) -> None:
    assert format_cell(NOW - ago, NOW) == shown


@pytest.mark.parametrize("moment", [NOW - timedelta(days=2), NOW + timedelta(seconds=1)])
def test_other_times_are_local_dates(moment: datetime) -> None:
    assert datetime.fromisoformat(format_cell(moment, NOW)).astimezone(UTC) == moment.replace(second=0)


def test_a_long_duration_has_two_units() -> None:
    assert format_cell(timedelta(hours=2, minutes=3, seconds=59), NOW) == "2 h 03 min"
    assert format_cell(timedelta(days=3, hours=5), NOW) == "3 d 05 h"


def test_a_name_longer_than_40_is_cut_with_an_ellipsis() -> None:
    assert truncate("x" * 40) == "x" * 40
    assert truncate("x" * 41) == "x" * 39 + "…"


def test_nothing_in_a_name_steers_the_terminal() -> None:
    assert replace_control_characters("a\x1b[2Jb\r\n\u202ec\x9b") == "a�[2Jb���c�"
    assert replace_control_characters("日本 👩‍🔬 é") == "日本 👩‍🔬 é"


def test_numbers_that_json_lacks_become_words() -> None:
    value = {"a": [math.nan, math.inf, -math.inf, 1.5], "b": timedelta(seconds=1.5), "c": NOW, "d": b"\x00\xff"}
    assert json.loads(json.dumps(to_json_data(value), allow_nan=False)) == {
        "a": ["NaN", "Infinity", "-Infinity", 1.5],
        "b": 1.5,
        "c": "2027-01-15T08:00:00.000000Z",
        "d": "00ff",
    }


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("a\tb\nc\rd\\e", "a\\tb\\nc\\rd\\\\e"),
        ("\x1b[2J", "\\x1b[2J"),
        (0.1 + 0.2, "0.30000000000000004"),
        (math.nan, "NaN"),
        (None, ""),
        (False, "false"),
        (["a\tb"], '["a\\\\tb"]'),
        (timedelta(milliseconds=1500), "1.5"),
        ("x" * 100, "x" * 100),
    ],
)
def test_programs_get_everything_on_one_line(value: object, cell: str) -> None:
    assert format_tsv_cell(value) == cell


def test_iso_times_are_utc_with_microseconds() -> None:
    assert format_iso(datetime(2027, 1, 15, 9, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))) == "2027-01-15T08:00:00.000005Z"
