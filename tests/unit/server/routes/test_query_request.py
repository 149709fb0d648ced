from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.server.http.problems import HttpProblem
from tasuki.server.routes.query_request import build_cursor, paginate, parse_after, parse_cursor


@given(key=st.one_of(st.text(), st.lists(st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1)))))
def test_a_cursor_keeps_its_key(key):
    cursor = build_cursor(key)
    assert cursor.isascii()
    assert not set(cursor) & set("=&+/?#")
    assert parse_cursor(cursor, Any) == key


@pytest.mark.parametrize("text", ["", "a", "é", "%%%", "bnVsbA", "WzE", "e30"])
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(HttpProblem) as refusal:
        parse_cursor(text, tuple[int, str])
    assert refusal.value.status == 400


@given(rows=st.lists(st.text(), unique=True), limit=st.integers(1, 10))
def test_pages_have_every_row_once_in_order(rows, limit):
    found, cursor = [], None
    while True:
        page = paginate(rows, str, limit, cursor)
        assert len(page.rows) <= limit
        found += page.rows
        cursor = page.next
        if cursor is None:
            break
    assert found == rows


def test_a_cursor_whose_row_is_gone_is_refused():
    with pytest.raises(HttpProblem):
        paginate(["a", "b"], str, 1, build_cursor("c"))


@pytest.mark.parametrize(("text", "after"), [("ab:12", ("ab", 12)), ("ab:0", ("ab", 0))])
def test_a_place_in_a_stream_is_read(text, after):
    assert parse_after(text) == after


@pytest.mark.parametrize("text", ["", ":", "ab", "ab:", ":1", "ab:-1", "ab:x", "ab:1" + "0" * 30, "ab:²"])
def test_what_is_no_place_is_refused(text):
    with pytest.raises(HttpProblem):
        parse_after(text)
