import pytest

from tasuki.errors import ConfigError
from tasuki.failpoints import FAILPOINTS, hit_failpoint, parse_failpoints, wrap_with_failpoints


def test_a_point_fails_the_nth_time_only():
    point = parse_failpoints("relay.round=raise:3, other=oserror")["relay.round"]
    point.hit("relay.round")
    point.hit("relay.round")
    with pytest.raises(RuntimeError, match=r"relay\.round"):
        point.hit("relay.round")
    point.hit("relay.round")


def test_without_the_variable_nothing_happens():
    assert FAILPOINTS == {}
    hit_failpoint("relay.round")
    assert wrap_with_failpoints("before", len, "after") is len


@pytest.mark.parametrize("text", ["x", "x=", "x=burn", "=kill", "x=kill:often"])
def test_what_names_no_failpoint_is_refused(text: str):
    with pytest.raises(ConfigError, match="TASUKI_FAILPOINTS"):
        parse_failpoints(text)
