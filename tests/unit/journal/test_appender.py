import errno
import threading
import warnings
from itertools import chain
from pathlib import Path

import pytest

from tasuki.errors import JournalError
from tasuki.journal import RESERVE_BYTES, Appender
from tasuki.journal import appender as appender_module
from tasuki.records import MAX_PAYLOAD_BYTES, Alert, Heartbeat, LostCalls, Record, UnknownRecord, encode
from tests.support.journals import beginning, flip, journals, metrics, records_of
from tests.unit.journal.conftest import FileSizeLimit, OpenAppender

FULL = OSError(errno.ENOSPC, "No space left on device")


def beat(time: int) -> bytes:
    return encode(Heartbeat(time=time))


def everything_in(folder: Path) -> list[Record | UnknownRecord]:
    """Every record of every journal, by time."""
    return sorted(chain.from_iterable(records_of(path) for path in journals(folder)), key=lambda record: record.time)


def times_in(folder: Path) -> list[int]:
    """The times of all heartbeats."""
    return [record.time for record in everything_in(folder) if isinstance(record, Heartbeat)]


def lost_in(folder: Path) -> list[int]:
    """How many calls each `lost` record counts."""
    return [record.n for record in everything_in(folder) if isinstance(record, LostCalls)]


def suffixes(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def has_room_when_reserve_is_gone(appender: Appender) -> None:
    """From now on the disk is full, but for what the reserve held."""

    def full(frame: bytes) -> int | None:
        if appender.reserve.size or appender.writer is None:
            raise FULL
        return appender.writer.write(frame)

    appender.write = full


# -- appending


def test_a_record_is_in_the_journal_when_append_returns(appender: Appender, folder: Path):
    appender.append(beat(1))
    assert everything_in(folder) == [Heartbeat(time=1)]


def test_a_journal_begins_with_the_opening_records(open_appender: OpenAppender, folder: Path):
    open_appender(opening_payloads=lambda: [beat(1), beat(2)]).append(beat(3))
    assert times_in(folder) == [1, 2, 3]


def test_a_closed_journal_is_sealed_and_nothing_else_is_left(appender: Appender, folder: Path):
    appender.append(beat(1))
    assert suffixes(folder) == [".lock", ".reserve", ".tsk"]
    appender.close()
    assert suffixes(folder) == [".tsk"]
    assert beginning(journals(folder)[0])[0].is_sealed
    assert times_in(folder) == [1]


def test_what_is_appended_to_a_closed_journal_is_not_kept_and_says_so(appender: Appender, folder: Path):
    appender.close()
    with pytest.warns(RuntimeWarning, match="the run is finished"):
        appender.append(beat(1))
    assert times_in(folder) == []


def test_closing_again_does_nothing(appender: Appender, folder: Path):
    appender.close()
    before = journals(folder)[0].read_bytes()
    appender.close()
    assert journals(folder)[0].read_bytes() == before


def test_threads_that_append_at_once_lose_nothing(open_appender: OpenAppender, folder: Path):
    appender = open_appender()
    appender.retire()  # each thread may find no writer, and then opens one
    start = threading.Barrier(4)

    def append(thread: int) -> None:
        start.wait()
        for n in range(200):
            appender.append(beat(thread * 1000 + n))

    threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert times_in(folder) == sorted(number * 1000 + n for number in range(4) for n in range(200))


def test_a_record_longer_than_a_frame_is_lost_with_a_warning_and_the_rest_is_kept(appender: Appender, folder: Path):
    with pytest.warns(RuntimeWarning, match=f"has {MAX_PAYLOAD_BYTES + 1} bytes"):
        appender.append(bytes(MAX_PAYLOAD_BYTES + 1))
    appender.append(beat(1))
    assert times_in(folder) == [1]
    assert lost_in(folder) == [1]


# -- new writers


def test_a_short_write_is_counted_and_a_new_writer_goes_on(appender: Appender, folder: Path, file_size_limit: FileSizeLimit):
    def append_many() -> None:
        for time in range(10_000):
            appender.append(beat(time))

    with file_size_limit(RESERVE_BYTES), pytest.warns(RuntimeWarning, match=r"can't write to .*: No space left on device"):
        append_many()
    assert len(journals(folder)) > 2
    kept, lost = times_in(folder), sum(lost_in(folder))
    assert len(set(kept)) == len(kept) == 10_000 - lost
    assert lost == len(journals(folder)) - 1


def test_a_short_write_leaves_a_file_that_reads_up_to_the_tear(appender: Appender, folder: Path, file_size_limit: FileSizeLimit):
    torn = journals(folder)[0]
    appender.append(beat(1))
    with file_size_limit(torn.stat().st_size + 5), pytest.warns(RuntimeWarning):
        appender.append(beat(2))
    assert records_of(torn) == [Heartbeat(time=1)]
    appender.maintain()
    assert records_of(torn) == [Heartbeat(time=1)]
    assert beginning(torn)[0].is_sealed


def test_an_error_of_the_file_ends_the_writer_and_a_new_one_goes_on(
    appender: Appender, folder: Path, file_size_limit: FileSizeLimit
):
    (first,) = journals(folder)
    with file_size_limit(first.stat().st_size), pytest.warns(RuntimeWarning, match="File too large"):
        appender.append(beat(1))
    appender.append(beat(2))
    assert len(journals(folder)) == 2
    assert (times_in(folder), lost_in(folder)) == ([2], [1])


def test_an_exception_out_of_the_write_ends_the_writer_and_is_raised(appender: Appender, folder: Path):
    def interrupted(frame: bytes) -> int:
        raise KeyboardInterrupt

    appender.write = interrupted
    with pytest.raises(KeyboardInterrupt):
        appender.append(beat(1))
    appender.append(beat(2))
    assert len(journals(folder)) == 2
    assert (times_in(folder), lost_in(folder)) == ([2], [])


def test_a_long_file_is_followed_by_another_and_sealed(open_appender: OpenAppender, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(appender_module, "MAX_FILE_BYTES", 1000)
    appender = open_appender(opening_payloads=lambda: [beat(0)])
    for time in range(1, 101):
        appender.append(beat(time))
    appender.maintain()
    appender.append(beat(101))
    assert sorted(beginning(path)[0].is_sealed for path in journals(folder)) == [False, True]
    assert times_in(folder) == [0, 0, *range(1, 102)]


def test_a_file_that_is_not_long_is_left_alone(appender: Appender, folder: Path):
    appender.append(beat(1))
    appender.maintain()
    assert [beginning(path)[0].is_sealed for path in journals(folder)] == [False]


def test_a_retired_file_is_not_sealed_while_a_call_may_still_write_to_it(appender: Appender, folder: Path):
    write = appender.write
    appender.retire()
    appender.maintain()
    assert not beginning(journals(folder)[0])[0].is_sealed
    del write
    appender.maintain()
    assert beginning(journals(folder)[0])[0].is_sealed


def test_a_file_that_is_busy_at_the_close_is_sealed_later(appender: Appender, folder: Path):
    write = appender.write
    appender.close()
    assert not beginning(journals(folder)[0])[0].is_sealed
    assert appender in appender_module.APPENDERS
    del write
    appender.maintain()
    assert suffixes(folder) == [".tsk"]
    assert appender not in appender_module.APPENDERS


# -- a full disk


def test_a_full_disk_is_warned_of_once_and_every_lost_call_is_counted(appender: Appender, folder: Path):
    write = appender.write

    def full(frame: bytes) -> int:
        raise FULL

    appender.write = full
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for time in range(5):
            appender.append(beat(time))
    assert [str(warning.message) for warning in caught] == [
        f"tasuki can't write to {folder}: No space left on device; the run goes on, and what is lost is counted"
    ]
    assert times_in(folder) == []
    appender.write = write
    appender.append(beat(5))
    assert (times_in(folder), lost_in(folder)) == ([5], [5])
    appender.append(beat(6))
    assert lost_in(folder) == [5]


def test_the_warning_points_at_the_line_that_logs(appender: Appender):
    def full(frame: bytes) -> int:
        raise FULL

    def training() -> None:
        appender.append(beat(1))

    appender.write = full
    with pytest.warns(RuntimeWarning) as caught:
        training()
    assert caught[0].filename == __file__
    assert caught[0].lineno == training.__code__.co_firstlineno + 1


def test_lost_says_when_the_first_and_the_last_call_were(appender: Appender, folder: Path):
    write = appender.write
    appender.write = lambda frame: 3
    start = appender.clock.now_us()
    with pytest.warns(RuntimeWarning):
        appender.append(beat(1))
    appender.write = lambda frame: 3
    appender.clock.sleep(2)
    appender.append(beat(2))
    appender.write = write
    appender.append(beat(3))
    (lost,) = [record for record in everything_in(folder) if isinstance(record, LostCalls)]
    assert (lost.n, lost.since, lost.until) == (2, start, start + 2_000_000)


@pytest.mark.filterwarnings("ignore:tasuki can't write")
def test_the_reserve_lets_a_status_through_with_what_was_lost_before_it(appender: Appender, folder: Path):
    has_room_when_reserve_is_gone(appender)
    appender.append(beat(1))
    appender.append(beat(2))
    appender.append_important(encode(Alert(time=3, title="full")))
    assert [record for record in everything_in(folder) if isinstance(record, Alert)] == [Alert(time=3, title="full")]
    assert lost_in(folder) == [2]


@pytest.mark.filterwarnings("ignore:tasuki can't write")
def test_the_reserve_is_kept_again_behind_an_alert_so_that_calls_can_not_use_it_up(appender: Appender, folder: Path):
    has_room_when_reserve_is_gone(appender)
    for time in range(3):
        appender.append(beat(time))
        appender.append_important(encode(Alert(time=time, title="full")))
    assert times_in(folder) == []
    assert len(everything_in(folder)) == 6
    assert lost_in(folder) == [1, 1, 1]
    assert appender.reserve.size == RESERVE_BYTES


def test_with_room_the_reserve_is_not_touched_by_a_status(appender: Appender):
    appender.append_important(beat(1))
    assert appender.reserve.size == RESERVE_BYTES


@pytest.mark.filterwarnings("ignore:tasuki can't write")
def test_what_a_parent_has_lost_is_not_counted_by_its_fork(appender: Appender, folder: Path):
    appender.write = lambda frame: 3
    appender.append(beat(1))
    appender.reset_after_fork()
    appender.append(beat(2))
    assert (times_in(folder), lost_in(folder)) == ([2], [])


@pytest.mark.filterwarnings("ignore:tasuki can't write")
def test_closing_puts_the_count_of_lost_calls_on_record(appender: Appender, folder: Path):
    has_room_when_reserve_is_gone(appender)
    appender.append(beat(1))
    appender.close()
    assert lost_in(folder) == [1]
    assert suffixes(folder) == [".tsk"]


def test_a_folder_that_can_not_be_made_is_an_error_that_says_what_to_do(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    appender = Appender(project="p", run="r", folder=tmp_path / "file" / "p", lock_folder=tmp_path)
    with pytest.raises(JournalError, match=r"file/p can't be written: Not a directory \(free some space, or choose"):
        appender.open()


def test_a_run_can_not_begin_without_room_for_the_reserve_and_leaves_nothing(
    open_appender: OpenAppender, folder: Path, file_size_limit: FileSizeLimit
):
    with file_size_limit(RESERVE_BYTES - 1), pytest.raises(JournalError, match="No space left on device"):
        open_appender()
    assert list(folder.iterdir()) == []


def test_a_run_can_not_begin_without_room_for_its_start_and_leaves_nothing(
    open_appender: OpenAppender, folder: Path, file_size_limit: FileSizeLimit
):
    with file_size_limit(RESERVE_BYTES), pytest.raises(JournalError, match="No space left on device"):
        open_appender(opening_payloads=lambda: [bytes(RESERVE_BYTES)])
    assert list(folder.iterdir()) == []


# -- tending


def test_tending_says_once_that_sealing_fails_and_tries_again(
    appender: Appender, folder: Path, file_size_limit: FileSizeLimit, caplog: pytest.LogCaptureFixture
):
    appender.append(beat(1))
    appender.retire()
    for size in (10, 100):  # less than the compressed frames; enough for them, but not for the header too
        with file_size_limit(size):
            appender.maintain()
        assert [path.suffix for path in folder.iterdir() if path.suffix in {".seal", ".body"}] == []
    assert len(caplog.records) == 1
    assert "can't be synced or sealed" in caplog.text
    appender.maintain()
    assert beginning(journals(folder)[0])[0].is_sealed


def test_closing_leaves_a_file_that_can_not_be_sealed_to_a_reader(
    appender: Appender, folder: Path, caplog: pytest.LogCaptureFixture
):
    appender.append(beat(1))
    flip(journals(folder)[0], 20)
    appender.close()
    assert "left for a reader to seal" in caplog.text


def test_syncing_covers_a_writer_that_was_replaced_meanwhile(appender: Appender, folder: Path):
    appender.append(encode(metrics(1)))
    appender.retire()
    appender.sync()  # nothing to see but that it finds the file, which is closed by now
    assert appender.retired_writers[0].is_quiet
    assert len(everything_in(folder)) == 1
