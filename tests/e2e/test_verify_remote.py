"""`tasuki verify --remote`: a flipped byte and a missing tail, on either side, by run; and clean again after `tasuki sync`."""

import json
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
import zstandard

from tasuki.records import unpack_item, whole_frames
from tests.e2e.shell import python, tasuki
from tests.journals import beginning, flip, journals
from tests.remotes import Server, records_at, records_in, sync_all

RECORDING = """
import tasuki
for name in ("one", "two"):
    with tasuki.init("p", name, id=name) as run:
        for step in range(300):
            run.log({"x": step / 7}, step=step)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two runs."""
    python(tmp_path / "data", RECORDING)
    return tmp_path / "data"


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[Server]:
    """A server that has them."""
    with Server(tmp_path / "server") as server:
        assert sync_all(folder, server.url).pending == 0
        assert records_at(server) == records_in(folder)
        yield server


def differing(folder: Path, server: Server) -> list[tuple[str, str]]:
    """The runs in which verify finds a difference, and which; its exit code goes with them."""
    done = tasuki(folder, "verify", "--remote", server.url, "--json")
    found = json.loads(done.stdout)["differences"]
    assert done.returncode == (6 if found else 0), done.stderr
    return [(row["run"], row["difference"]) for row in found]


def writer_of(folder: Path, run: str) -> Path:
    """The journal of a run."""
    (path,) = (path for path in journals(folder) if beginning(path)[0].run == run)
    return path


def changed_at_server(server: Server, statement: str, *values: object) -> None:
    """Change what a stopped server has received."""
    server.stop()
    with apsw.Connection(str(server.folder / "raw.db")) as db:
        db.execute(statement, values)
        assert db.changes() > 0
    db.close()
    server.start()


def test_nothing_differs_where_nothing_is_wrong(folder: Path, server: Server):
    assert differing(folder, server) == []


def test_a_flipped_byte_at_the_server_is_found(folder: Path, server: Server):
    writer = writer_of(folder, "two").stem
    with apsw.Connection(str(server.folder / "raw.db")) as db:
        ((data,),) = db.execute('SELECT data FROM item WHERE writer = ? AND "offset" = 0', (writer,))
    db.close()
    damaged = bytearray(data)
    damaged[len(damaged) // 2] ^= 1
    changed_at_server(server, 'UPDATE item SET data = ? WHERE writer = ? AND "offset" = 0', bytes(damaged), writer)
    ((run, what),) = differing(folder, server)
    assert run == "two"
    assert "damaged" in what


def test_a_frame_that_was_exchanged_at_the_server_is_found(folder: Path, server: Server):
    """Whole frames with right checksums, only not ours: the sha256 tells."""
    one, two = (writer_of(folder, run).stem for run in ("one", "two"))
    with apsw.Connection(str(server.folder / "raw.db")) as db:
        ((data,),) = db.execute('SELECT data FROM item WHERE writer = ? AND "offset" = 0', (one,))
    db.close()
    frames = unpack_item(data)
    assert whole_frames(frames) == len(frames)
    other = zstandard.ZstdCompressor(write_checksum=True).compress(frames)
    changed_at_server(server, 'UPDATE item SET data = ? WHERE writer = ? AND "offset" = 0', other, two)
    assert [run for run, _ in differing(folder, server)] == ["two"]


def test_a_tail_that_is_missing_at_the_server_is_found_counted_and_sent_again(folder: Path, server: Server):
    writer = writer_of(folder, "one").stem
    changed_at_server(server, "DELETE FROM item WHERE writer = ?", writer)
    changed_at_server(server, 'UPDATE writer SET "offset" = 0, crc = 0, sealed = 0 WHERE id = ?', writer)
    ((run, what),) = differing(folder, server)
    assert run == "one"
    assert "302 records are missing there" in what
    assert tasuki(folder, "sync", "--to", server.url).returncode == 0
    assert differing(folder, server) == []


def test_a_flipped_byte_here_is_found(folder: Path, server: Server):
    path = writer_of(folder, "one")
    flip(path, path.stat().st_size - 100)
    ((run, what),) = differing(folder, server)
    assert run == "one"
    assert "damaged here" in what


def test_a_tail_that_is_missing_here_is_said_to_be_shorter(folder: Path, server: Server):
    python(folder, "import tasuki, os; run = tasuki.init('p', id='live'); run.log({'x': 1}); run.log({'x': 2}); os._exit(0)")
    path = writer_of(folder, "live")
    whole = path.read_bytes()
    sync_all(folder, server.url)
    path.write_bytes(whole[: len(whole) - 40])  # as it was before its last frames, and before it was sealed
    ((run, what),) = differing(folder, server)
    assert run == "live"
    assert "shorter" in what
