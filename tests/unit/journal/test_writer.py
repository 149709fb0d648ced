import gc
import os
import warnings
from pathlib import Path

import pytest

from tasuki.journal import JournalWriter, new_header
from tasuki.records import Heartbeat, encode, encode_frame
from tests.support.journals import beginning, journals, records_of, stream_of
from tests.unit.journal.conftest import FileSizeLimit

BEAT = encode(Heartbeat(time=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path


@pytest.fixture
def writer(folder: Path) -> JournalWriter:
    """An open writer with one record."""
    return JournalWriter.create(new_header("p", "r", created=5), folder, folder, [BEAT])


def test_a_file_appears_with_its_header_and_its_first_records(writer: JournalWriter, folder: Path):
    assert sorted(path.name for path in folder.iterdir()) == [f"{writer.header.writer}.lock", f"{writer.header.writer}.tsk"]
    assert beginning(writer.path)[0] == writer.header
    assert records_of(writer.path) == [Heartbeat(time=1)]


def test_what_is_written_is_in_the_file_at_once(writer: JournalWriter):
    writer.write(encode_frame(BEAT))
    assert stream_of(writer.path) == encode_frame(BEAT) * 2


def test_a_file_that_can_not_be_begun_leaves_nothing(folder: Path, file_size_limit: FileSizeLimit):
    with file_size_limit(100), pytest.raises(OSError, match="No space left"):
        JournalWriter.create(new_header("p", "r", created=5), folder, folder)
    assert list(folder.iterdir()) == []


def test_a_call_under_way_keeps_a_retired_file_open(writer: JournalWriter):
    write = writer.write
    writer.retire()
    assert not writer.is_quiet
    write(encode_frame(BEAT))
    del write
    assert writer.is_quiet
    assert stream_of(writer.path) == encode_frame(BEAT) * 2


def test_a_file_is_closed_by_its_last_user_without_a_warning(writer: JournalWriter):
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - it counts, it does not walk
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        writer.retire()
        gc.collect()
    assert caught == []
    assert len(os.listdir("/proc/self/fd")) == descriptors - 1  # noqa: PTH208


def test_syncing_says_how_long_the_file_is(writer: JournalWriter):
    assert writer.sync() == writer.path.stat().st_size
    writer.write(encode_frame(BEAT))
    assert writer.sync() == writer.path.stat().st_size


def test_a_released_writer_leaves_its_journal_and_no_lock(writer: JournalWriter, folder: Path):
    writer.retire()
    writer.release()
    assert list(folder.iterdir()) == journals(folder) == [writer.path]
