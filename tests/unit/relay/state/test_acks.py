import pytest

from tasuki.records import Position
from tasuki.relay import Ack, AckLog, acks_path

ONE = Ack(Position(100, 7), False, "a" * 32, 0)


@pytest.fixture
def path(tmp_path):
    return acks_path(tmp_path, "http://127.0.0.1:7700")


def test_what_was_noted_is_there_in_the_next_session(path):
    acks = AckLog(path)
    acks.record_boot("boot1")
    acks.record("a" * 32, ONE)
    acks.record("a" * 32, ONE._replace(position=Position(200, 8), sealed=True))
    acks.record("b" * 32, Ack(Position(5, 6), False, "c" * 32, 50))
    again = AckLog(path)
    assert again.boot_id == "boot1"
    assert again.by_writer == {
        "a" * 32: Ack(Position(200, 8), True, "a" * 32, 0),
        "b" * 32: Ack(Position(5, 6), False, "c" * 32, 50),
    }


def test_the_same_position_again_is_not_written_again(path):
    acks = AckLog(path)
    acks.record("a" * 32, ONE)
    size = path.stat().st_size
    acks.record("a" * 32, ONE)
    assert path.stat().st_size == size


def test_what_an_earlier_boot_of_the_server_said_does_not_count(path):
    acks = AckLog(path)
    acks.record_boot("boot1")
    acks.record("a" * 32, ONE)
    acks.record_boot("boot2")
    assert AckLog(path).by_writer == {}
    assert AckLog(path).boot_id == "boot2"


@pytest.mark.parametrize(
    "line", ["", "x", "a 1 2", "a 1 2 3", "a one 2 0", "a 1 2 0 b", "a 1 2 0 b c", "a -1 2 0", "boot", "\0\0\0 1"]
)
def test_torn_and_foreign_lines_are_passed_over(path, line):
    path.parent.mkdir(parents=True)
    path.write_text(f"{'a' * 32} 100 7 0\n{line}\n")
    assert AckLog(path).by_writer == {"a" * 32: ONE}


def test_remotes_have_a_file_each(tmp_path):
    remotes = ["http://one:1", "http://one:2", "https://one:1", "http://one:1/x", "http://" + "x" * 300]
    paths = {acks_path(tmp_path, remote) for remote in remotes}
    assert len(paths) == len(remotes)
    assert all(path.parent == tmp_path / "acks" for path in paths)


def test_when_a_stream_was_there_as_a_whole_is_kept_from_the_first_time_on(path):
    acks = AckLog(path)
    acks.record("w", Ack(Position(1, 2), False, "w", 0))
    assert acks.stored_times == {}
    acks.record("w", Ack(Position(1, 2), True, "w", 0))
    first = acks.stored_times["w"]
    acks.record_boot("another")
    acks.record("w", Ack(Position(1, 2), True, "w", 0))
    assert AckLog(path).stored_times == {"w": first}


def test_a_compacted_file_says_the_same_of_those_that_are_left(path):
    acks = AckLog(path)
    acks.record_boot("b")
    for offset in range(50):
        acks.record("w", Ack(Position(offset, 2), False, "w", 0))
    acks.record("v", Ack(Position(9, 2), True, "other", 3))
    acks.record("gone", Ack(Position(9, 2), True, "gone", 0))
    acks.compact({"w", "v"})
    again = AckLog(path)
    assert again.boot_id == "b"
    assert again.by_writer == {writer: ack for writer, ack in acks.by_writer.items() if writer != "gone"}
    assert set(again.stored_times) == {"v"}
    assert len(path.read_text().splitlines()) == 4
    assert path.stat().st_mode & 0o777 == 0o600
