from datetime import timedelta

import pytest

from tasuki.cli.shared.parsing import parse_duration, parse_since
from tasuki.errors import ConfigError

NOW = 1_800_000_000_000_000
ID = f"{'a' * 32}:123"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("10min", 600), ("1h30m", 5400), ("2 d", 172_800), ("0", 0), ("1W", 604_800)],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", " ", "h", "1y", "1h x", "-5s", "1e9d", "nan", "9999999w"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "since"),
    [
        (ID, ID),
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T09:00:00.000001+01:00", NOW + 1),
        ("10min", NOW - 600_000_000),
        ("1h ago", NOW - 3_600_000_000),
    ],
)
def test_since_is_an_alert_a_time_or_how_long_ago(text: str, since: int | str) -> None:
    assert parse_since(text, NOW) == since


@pytest.mark.parametrize("text", ["yesterday", f"{'g' * 32}:1", "a:b", ""])
def test_anything_else_is_no_since(text: str) -> None:
    with pytest.raises(ConfigError, match="no alert and no time"):
        parse_since(text, NOW)
