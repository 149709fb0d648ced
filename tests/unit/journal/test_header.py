import os
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from tasuki.errors import DataError, UnrecognizedFile
from tasuki.journal import JournalHeader, identify_current_process, new_header, open_journal, read_header
from tests.support.journals import beginning, flip, metrics, write_journal


def file_with(tmp_path: Path, payload: bytes, *, magic: bytes = b"TASUKI", version: int = 1) -> Path:
    """A journal file whose header is made by hand."""
    path = tmp_path / "x.tsk"
    sizes = len(payload).to_bytes(4, "little") + crc32(payload).to_bytes(4, "little")
    path.write_bytes(magic + bytes([version, 0]) + sizes + payload)
    return path


def read(path: Path) -> JournalHeader:
    with path.open("rb") as file:
        return read_header(file, path)[0]


def test_a_header_comes_back_as_it_was_written(tmp_path: Path):
    header = new_header("é", "r", created=5)
    path = tmp_path / "x.tsk"
    path.write_bytes(header.encode() + b"frames")
    with path.open("rb") as file:
        assert read_header(file, path) == (header, len(header.encode()))


def test_a_header_names_the_process_that_opens_the_journal():
    header = new_header("p", "r", created=5)
    assert header.owner == identify_current_process()
    assert header.pid == os.getpid()
    assert header.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert not header.is_sealed


def test_two_writers_have_two_ids():
    assert len({new_header("p", "r", created=5).writer for _ in range(100)}) == 100


def test_a_header_of_a_later_version_of_the_same_format_is_read(tmp_path: Path):
    payload = msgspec.msgpack.encode({"writer": "w", "project": "p", "run": "r", "later": [1, 2]})
    assert read(file_with(tmp_path, payload)) == JournalHeader(writer="w", project="p", run="r")


@pytest.mark.parametrize("content", [b"", b"TASUK", b"SQLite format 3\x00" + bytes(100), b"TASUKI"])
def test_a_foreign_file_is_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "x.tsk"
    path.write_bytes(content)
    with pytest.raises(UnrecognizedFile, match=r"x\.tsk is not a tasuki journal"):
        open_journal(path)


def test_a_newer_format_is_refused_with_its_version(tmp_path: Path):
    with pytest.raises(UnrecognizedFile, match=r"has format 2; this tasuki reads format 1 \(upgrade tasuki\)"):
        read(file_with(tmp_path, b"anything at all", version=2))


def test_a_flipped_bit_anywhere_in_a_header_is_noticed(tmp_path: Path):
    path = write_journal(tmp_path, [metrics(1)])
    _, body = beginning(path)
    state_byte = 7  # tells people and `file` whether it is sealed; readers go by what the crc covers
    for offset in set(range(body)) - {state_byte}:
        flip(path, offset)
        with pytest.raises(DataError):
            read(path)
        flip(path, offset)
    assert read(path).run == "r"


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", msgspec.msgpack.encode({"writer": "w"}), b"\x83\xa6writer\xa1\xff\xa7project\xa1p\xa3run\xa1r"],
    ids=["empty", "no MessagePack", "incomplete", "no UTF-8"],
)
def test_a_header_that_can_not_be_understood_is_damaged(payload: bytes, tmp_path: Path):
    with pytest.raises(DataError, match=r"header of .*x\.tsk"):
        read(file_with(tmp_path, payload))


def test_a_header_cut_short_is_damaged(tmp_path: Path):
    path = file_with(tmp_path, b"x" * 100)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="is damaged"):
        read(path)


def test_a_header_that_claims_gigabytes_is_damaged_and_not_read(tmp_path: Path):
    path = tmp_path / "x.tsk"
    path.write_bytes(b"TASUKI\x01\x00" + (2**32 - 1).to_bytes(4, "little") + bytes(4))
    with pytest.raises(DataError, match="is damaged"):
        read(path)
