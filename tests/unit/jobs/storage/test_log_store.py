from pathlib import Path

import pytest

from tasuki.errors import NotFound
from tasuki.jobs.storage.log_store import LogStore, split_lines, subtract_stored
from tasuki.records import Job

JOB = Job(id="abcdef123456", provider="replicate", created=0, updated=0, attempt=2)


@pytest.mark.parametrize(
    ("kept", "data", "new"),
    [
        (b"", b"one\n", b"one\n"),
        (b"one\n", b"one\ntwo\n", b"two\n"),
        (b"one\ntwo\n", b"one\n", b""),
        (b"one\ntwo\n", b"", b""),
        (b"one\ntwo\n", b"two\nthree\n", b"\ntwo\nthree\n"),
        (b"a" * 5 + b"x" * 1000, b"x" * 1000 + b"more", b"more"),
    ],
)
def test_only_what_is_new_is_added_whatever_the_provider_has_dropped(kept: bytes, data: bytes, new: bytes):
    assert subtract_stored(kept, data) == new


def test_lines_are_read_by_offset_across_attempts(tmp_path: Path):
    book = LogStore(tmp_path)
    assert book.merge_text(JOB.id, 1, "one\ntwo")
    assert not book.merge_text(JOB.id, 1, "one\n")
    assert book.merge_text(JOB.id, 2, "thrée\nend")
    first = book.read_lines(JOB, 1, 0, is_over=True)
    assert first == (["one", "two"], 2, 0)
    second = book.read_lines(JOB, 2, 0, is_over=False)
    assert second == (["thrée"], 2, 7)
    assert book.read_lines(JOB, 2, 7, is_over=False) == ([], 2, 7)
    assert book.read_lines(JOB, 2, 7, is_over=True) == (["end"], 2, 10)
    assert book.read_text(JOB) == "one\ntwothrée\nend"


def test_every_kind_of_line_end_ends_a_line():
    assert list(split_lines("a\r\nb\rc\n\nd")) == ["a", "b", "c", "", "d"]


@pytest.mark.parametrize("id", ["../../../etc", "a/b", "", "x" * 33, "ABCDEF123"])
def test_no_text_from_elsewhere_becomes_a_path(tmp_path: Path, id: str):
    with pytest.raises(NotFound):
        LogStore(tmp_path).get_path(id, 1)
