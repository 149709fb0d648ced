from itertools import accumulate
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.journal import JournalReader, open_journal, seal
from tasuki.records import Alert, encode, encode_frame
from tests.support.journals import DEAD_OWNER, flip, metrics, stream_of, write_journal

TORN = encode_frame(b"\x91\xa5nevercomplete")[:-3]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """A live journal with a torn tail, the same journal sealed, and their stream: 3 MiB, more than one block."""
    folder = tmp_path_factory.mktemp("journals")
    records = [Alert(time=n, title="x" * (n * 937 % 40_000)) for n in range(160)]
    live = write_journal(folder / "live", records, owner=DEAD_OWNER, writer="w")
    stream = b"".join(encode_frame(encode(record)) for record in records)
    live.write_bytes(live.read_bytes() + TORN)
    sealed = write_journal(folder / "sealed", records, owner=DEAD_OWNER, writer="w")
    seal(sealed)
    return live, sealed, stream


def starts_of(stream: bytes) -> list[int]:
    """Where frames begin, and where the last one ends."""
    sizes = []
    at = 0
    while at < len(stream):
        sizes.append(8 + int.from_bytes(stream[at : at + 4], "little"))
        at += sizes[-1]
    return [0, *accumulate(sizes)]


@pytest.fixture(params=["live", "sealed"])
def view(request: pytest.FixtureRequest, two: tuple[Path, Path, bytes]):
    """A view of either."""
    with open_journal(two[0] if request.param == "live" else two[1]) as view:
        yield view


@pytest.fixture
def stream(two: tuple[Path, Path, bytes]) -> bytes:
    """What both hold."""
    return two[2]


def test_a_sealed_journal_of_this_size_has_several_blocks(two: tuple[Path, Path, bytes]):
    with open_journal(two[1]) as view:
        assert len(view.header.blocks) >= 3


def test_all_pieces_are_the_stream(view: JournalReader, stream: bytes):
    assert b"".join(view.read_pieces()) == stream


def test_the_end_is_behind_the_last_whole_frame(view: JournalReader, stream: bytes):
    assert view.find_end() == (len(stream), crc32(stream))


@given(data=st.data(), limit=st.integers(1, 3_000_000))
def test_whole_frames_are_read_from_any_frame_on(data: st.DataObject, limit: int, two: tuple[Path, Path, bytes]):
    live, sealed, stream = two
    start = data.draw(st.sampled_from(starts_of(stream)))
    for path in (live, sealed):
        with open_journal(path) as view:
            piece = view.read_frames(start, limit)
            assert stream[start:].startswith(piece)
            assert start + len(piece) in starts_of(stream)
            assert bool(piece) == (start < len(stream))
            assert b"".join(view.read_pieces(start)) == stream[start:]


@given(offsets=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=4))
def test_the_crc_at_any_offset_is_that_of_the_bytes_before_it(offsets: list[int], two: tuple[Path, Path, bytes]):
    live, sealed, stream = two
    for path in (live, sealed):
        with open_journal(path) as view:
            for offset in offsets:
                offset = min(offset, len(stream))
                assert view.crc_at(offset) == crc32(stream[:offset])
                assert view.find_end() == (len(stream), crc32(stream))


def test_there_is_no_crc_behind_the_end(two: tuple[Path, Path, bytes]):
    live, sealed, stream = two
    with open_journal(live) as view:
        assert view.crc_at(len(stream) + len(TORN) + 1) is None
    with open_journal(sealed) as view:
        assert view.crc_at(len(stream) + 1) is None


def test_nothing_is_read_behind_the_end(view: JournalReader, stream: bytes):
    assert view.read_frames(len(stream)) == b""
    assert view.read_frames(len(stream) + 10_000) == b""


def test_a_frame_longer_than_asked_for_is_read_whole(tmp_path: Path):
    path = write_journal(tmp_path, [Alert(time=1, title="x" * 3_000_000)])
    with open_journal(path) as view:
        assert len(view.read_frames(0, 100)) > 3_000_000


def test_a_growing_journal_is_read_on(tmp_path: Path):
    path = write_journal(tmp_path, [metrics(1)])
    more = encode_frame(encode(metrics(2)))
    with open_journal(path) as view, path.open("ab") as file:
        first = view.find_end()
        file.write(more[:-1])
        file.flush()
        assert view.find_end() == first
        file.write(more[-1:])
        file.flush()
        assert view.find_end() == (first.offset + len(more), crc32(more, first.crc))
        assert view.read_frames(first.offset) == more


def test_reading_stops_in_front_of_a_damaged_block(two: tuple[Path, Path, bytes], tmp_path: Path):
    _, sealed, stream = two
    copy = tmp_path / "w.tsk"
    copy.write_bytes(sealed.read_bytes())
    with open_journal(copy) as view:
        (first, first_packed), (_, second_packed) = view.header.blocks[:2]
        flip(copy, view.body_offset + first_packed + second_packed // 2)
        assert b"".join(view.read_pieces()) == stream[:first]
        assert view.find_end() == (first, crc32(stream[:first]))
        assert view.read(first) == b""
        assert view.crc_at(first + 1) is None


def test_an_empty_journal_has_no_frames(tmp_path: Path):
    path = write_journal(tmp_path, [])
    with open_journal(path) as view:
        assert (list(view.read_pieces()), view.find_end(), view.crc_at(0)) == ([], (0, 0), 0)
    seal(path)
    assert stream_of(path) == b""
