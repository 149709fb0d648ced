import pytest

from tasuki.retry_after import parse_retry_after
from tasuki.testing import FakeClock


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("0.25", 0.25),
        ("1e3", None),
        ("99999999999999999999999999", 900),
        ("86400", 900),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("Sat, 15 Jan 2028 07:00:00 GMT", 900),
        ("soon", None),
        ("-3", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_a_header_states_seconds_or_a_date_and_at_most_a_quarter_of_an_hour(text, seconds):
    assert parse_retry_after(text, FakeClock().now_us()) == seconds
