import hashlib
import shutil
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.journal import derive_writer_id, find_damage, open_journal, seal
from tasuki.records import Alert, Record, SalvagedStream, UnknownRecord, encode, encode_frame
from tests.support.journals import DEAD_OWNER, beginning, flip, journals, metrics, records_of, stream_of, write_journal

RECORDS = [metrics(n) for n in range(8)]
FRAMES = [encode_frame(encode(record)) for record in RECORDS]
SIZES = [len(data) for data in FRAMES]


def islands_of(folder: Path, original: Path) -> list[tuple[SalvagedStream, list[Record | UnknownRecord]]]:
    """What was saved from behind damage: the record that says so, and the rest, by where it lay."""
    saved = []
    for path in journals(folder):
        if path != original:
            salvaged, *rest = records_of(path)
            assert isinstance(salvaged, SalvagedStream)
            assert beginning(path)[0].is_sealed
            assert path.stem == derive_writer_id(salvaged.writer, salvaged.offset)
            saved.append((salvaged, rest))
    return sorted(saved, key=lambda island: island[0].offset)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- whole journals


def test_a_sealed_journal_says_where_it_ends_and_what_is_in_it(tmp_path: Path):
    path = write_journal(tmp_path, RECORDS)
    stream = stream_of(path)
    before, _ = beginning(path)
    assert seal(path) is None
    header, _ = beginning(path)
    assert header.is_sealed
    assert (header.end, header.end_crc, header.sha256) == (len(stream), crc32(stream), hashlib.sha256(stream).hexdigest())
    assert (header.writer, header.project, header.run, header.owner) == (before.writer, "p", "r", before.owner)
    assert stream_of(path) == stream


def test_sealing_again_changes_nothing(tmp_path: Path):
    path = write_journal(tmp_path, RECORDS)
    seal(path)
    once, inode = files_in(tmp_path), path.stat().st_ino
    assert seal(path) is None
    assert files_in(tmp_path) == once
    assert path.stat().st_ino == inode


def test_sealing_leaves_nothing_but_the_journal(tmp_path: Path):
    path = write_journal(tmp_path, RECORDS)
    seal(path)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_a_journal_with_no_frames_can_be_sealed(tmp_path: Path):
    path = write_journal(tmp_path, [])
    seal(path)
    assert beginning(path)[0].end == 0
    assert records_of(path) == []


def test_sealing_is_a_function_of_the_bytes(tmp_path: Path):
    path = write_journal(tmp_path / "a", RECORDS)
    flip(path, beginning(path)[1] + SIZES[0] + 9)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for name in ("a", "b"):
        seal(tmp_path / name / path.relative_to(tmp_path / "a"))
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")


# -- torn and damaged ones


@given(cut=st.integers(0, sum(SIZES) - 1))
def test_a_torn_tail_is_cut_and_is_no_hole(cut: int, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("torn")
    path = write_journal(folder, RECORDS)
    _, body = beginning(path)
    path.write_bytes(path.read_bytes()[: body + cut])
    with open_journal(path) as view:
        assert find_damage(view) is None
    assert seal(path) is None
    whole = [n for n in range(len(RECORDS) + 1) if sum(SIZES[:n]) <= cut][-1]
    assert records_of(path) == RECORDS[:whole]
    assert journals(folder) == [path]


def test_what_is_written_between_two_looks_is_no_hole(tmp_path: Path):
    path = write_journal(tmp_path, RECORDS)
    with open_journal(path) as view:
        assert find_damage(view, sum(SIZES[:-2])) is None
    path.write_bytes(path.read_bytes()[:-1])  # and more of it is on its way
    with open_journal(path) as view:
        assert find_damage(view, sum(SIZES[:-3])) is None


@given(data=st.data())
def test_damage_anywhere_costs_only_the_frames_it_hit(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("damaged")
    path = write_journal(folder, RECORDS)
    _, body = beginning(path)
    hits = data.draw(st.lists(st.integers(0, sum(SIZES) - 1), min_size=1, max_size=3, unique=True))
    for offset in hits:
        flip(path, body + offset, data.draw(st.integers(0, 7)))
    damaged = path.read_bytes()
    hit = {n for n in range(len(RECORDS)) for offset in hits if sum(SIZES[:n]) <= offset < sum(SIZES[: n + 1])}
    before = RECORDS[: min(hit)]
    behind = [record for n, record in enumerate(RECORDS) if n > min(hit) and n not in hit]

    aside = seal(path)

    assert records_of(path) == before
    islands = islands_of(folder, path)
    assert [record for _, rest in islands for record in rest] == behind
    assert all((salvaged.writer, salvaged.hole) == (path.stem, sum(SIZES[: min(hit)])) for salvaged, _ in islands)
    if behind:
        assert aside == path.with_suffix(".damaged")
        assert aside.read_bytes() == damaged
    else:
        assert aside is None
    once = files_in(folder)
    assert seal(path) is None
    assert files_in(folder) == once


@pytest.mark.parametrize("garbage", [bytes(1000), b"\xff" * 1000, b"\x91" * 1000], ids=["zeros", "ones", "array starts"])
def test_frames_behind_garbage_are_saved(garbage: bytes, tmp_path: Path):
    path = write_journal(tmp_path, RECORDS[:3])
    hole = path.stat().st_size - beginning(path)[1]
    path.write_bytes(path.read_bytes() + garbage + b"".join(FRAMES[3:]))
    seal(path)
    assert records_of(path) == RECORDS[:3]
    ((salvaged, rest),) = islands_of(tmp_path, path)
    assert rest == RECORDS[3:]
    assert (salvaged.hole, salvaged.offset) == (hole, hole + len(garbage))


def test_frames_behind_a_lost_disk_block_are_saved(tmp_path: Path):
    """A hole in the middle of the file: a page of zeros."""
    path = write_journal(tmp_path, [metrics(n) for n in range(400)])
    content = bytearray(path.read_bytes())
    content[4096:8192] = bytes(4096)
    path.write_bytes(content)
    seal(path)
    before = records_of(path)
    ((_, rest),) = islands_of(tmp_path, path)
    assert before == [metrics(n) for n in range(len(before))]
    assert rest == [metrics(n) for n in range(400 - len(rest), 400)]
    assert 400 - len(before) - len(rest) <= 4096 // min(SIZES) + 2


def test_a_killed_sealing_is_taken_up_again(tmp_path: Path):
    """Whatever a killed one left behind, the next result is the same."""
    path = write_journal(tmp_path, RECORDS)
    flip(path, beginning(path)[1] + SIZES[0] + 9)
    shutil.copytree(tmp_path, tmp_path.with_name("whole"))
    seal(tmp_path.with_name("whole") / path.relative_to(tmp_path))
    island = derive_writer_id(path.stem, SIZES[0] + SIZES[1])
    for name in (f"{path.stem}.seal", f"{path.stem}.body", f"{island}.seal", f"{island}.body", f"{path.stem}.damaged"):
        (path.parent / name).write_bytes(b"half of it")
    seal(path)
    assert files_in(tmp_path) == files_in(tmp_path.with_name("whole"))


def test_a_sealing_that_was_killed_behind_the_salvage_saves_nothing_twice(tmp_path: Path):
    path = write_journal(tmp_path, RECORDS)
    flip(path, beginning(path)[1] + SIZES[0] + 9)
    damaged = path.read_bytes()
    seal(path)
    once = files_in(tmp_path)
    path.write_bytes(damaged)
    seal(path)
    assert files_in(tmp_path) == once


# -- damage in sealed files


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[Record | UnknownRecord]]]:
    """A sealed journal of four blocks, and the records of each block."""
    folder = tmp_path_factory.mktemp("long")
    path = write_journal(folder, [Alert(time=n, title=f"{n} " * 12_000) for n in range(100)], owner=DEAD_OWNER)
    records = records_of(path)
    seal(path)
    blocks = []
    for size, _ in beginning(path)[0].blocks:
        block, length = [], 0
        while length < size:
            block.append(records.pop(0))
            length += len(encode_frame(encode(block[-1])))  # type: ignore[arg-type]
        blocks.append(block)
    assert len(blocks) == 4
    return path, blocks


@pytest.mark.parametrize("hit", range(4))
def test_a_flipped_bit_in_a_block_costs_that_block(hit: int, long: tuple[Path, list[list[Record]]], tmp_path: Path):
    original, blocks = long
    path = tmp_path / original.name
    shutil.copy(original, path)
    header, body = beginning(path)
    place = body + sum(packed for _, packed in header.blocks[:hit]) + header.blocks[hit][1] // 2
    flip(path, place)
    damaged = path.read_bytes()

    assert seal(path) == path.with_suffix(".damaged")

    assert path.with_suffix(".damaged").read_bytes() == damaged
    assert records_of(path) == [record for block in blocks[:hit] for record in block]
    assert [record for _, rest in islands_of(tmp_path, path) for record in rest] == [
        record for block in blocks[hit + 1 :] for record in block
    ]
    once = files_in(tmp_path)
    assert seal(path) is None
    assert files_in(tmp_path) == once


def test_a_sealed_file_cut_short_is_damaged_even_with_nothing_behind(long: tuple[Path, list[list[Record]]], tmp_path: Path):
    original, blocks = long
    path = tmp_path / original.name
    path.write_bytes(original.read_bytes()[:-1])
    with open_journal(path) as view:
        hole = find_damage(view)
    assert hole is not None
    assert hole.intact_ranges == []
    assert seal(path) == path.with_suffix(".damaged")
    assert records_of(path) == [record for block in blocks[:3] for record in block]
    assert journals(tmp_path) == [path]
