"""`tasuki verify --remote`: what is damaged or missing on either side is found and named, what is only on its way is not."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

import apsw
import pytest

from tasuki.journal import JournalFileInfo, JournalFolder
from tasuki.records import encode_frame, iterate_frames, pack_item
from tasuki.store import RAW_FILE, RawStore
from tests.support.acknowledged_calls import acknowledged
from tests.support.journals import beginning, flip
from tests.support.processes import Child, eventually
from tests.support.remote_server import Server, all_there, records_at, records_in
from tests.support.shell import tasuki
from tests.support.training_processes import AS_TOLD, UNTIL_TOLD, ended, logged


class Pair:
    """A server and a data folder of which it has everything: the run `whole` has finished, the run `live` was killed."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.calls = []
        for who in ("whole", "live"):
            with Child(AS_TOLD, server.url, who, folder) as child:
                logged(child, 40)
                eventually(lambda: records_at(server, folder) == records_in(folder))
                if who == "whole":
                    ended(child, 40)
                else:
                    child.kill_all()
                self.calls += acknowledged(child.lines)
        self.runs = {"whole": self.calls[0].run, "live": self.calls[-1].run}

    def journal(self, who: str) -> JournalFileInfo:
        """The journal of a run."""
        (found,) = (
            journal for journal in JournalFolder(self.folder / "journal").journals() if journal.header.run == self.runs[who]
        )
        return found

    def verify(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return tasuki(self.folder, "verify", "--remote", self.server.url, *arguments)

    def assert_clean(self) -> None:
        done = self.verify()
        assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
        assert f"verified: {records_in(self.folder)} records of 2 streams" in done.stderr
        all_there(self.server, self.calls)

    def found(self) -> dict[str, tuple[str, int]]:
        """What is found, by run: in words, and how many records are missing there. It must be something."""
        done = self.verify("--json")
        assert done.returncode == 6, done.stderr
        assert "error: " in done.stderr
        document = json.loads(done.stdout)
        assert (document["schema"], document["streams"]) == ("tasuki/verify-remote/1", 2)
        names = {run: who for who, run in self.runs.items()}
        return {names[row["run"]]: (row["difference"], row["missing records"]) for row in document["differences"]}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One pair, of which every test takes copies."""
    folder = tmp_path_factory.mktemp("sound")
    with Server(folder / "server") as server:
        pair = Pair(server, folder / "data")
        server.stop()
        shutil.copytree(folder, folder.with_name("copy"))
        yield pair


@pytest.fixture
def pair(sound: Pair) -> Pair:
    """The pair as it was at first; the server is not running."""
    sound.server.kill_all()
    here = sound.folder.parent
    shutil.rmtree(here)
    shutil.copytree(here.with_name("copy"), here)
    return sound


# -- the server


def raw(pair: Pair) -> apsw.Connection:
    """The server's raw store, open for tampering."""
    return apsw.Connection(str(pair.server.folder / RAW_FILE))


def items(db: apsw.Connection, writer: str) -> list[tuple[int, bytes]]:
    """The rows of a stream's items."""
    return list(db.execute('SELECT rowid, data FROM item WHERE writer = ? ORDER BY "offset"', (writer,)))


def stream(pair: Pair, who: str) -> bytes:
    """What the server has of a run."""
    with closing(RawStore(pair.server.folder / RAW_FILE)) as store:
        return store.read(pair.journal(who).header.writer, 0, 1 << 30)


def test_a_sound_pair_is_verified_and_a_server_that_is_gone_is_said(pair: Pair):
    pair.server.start()
    pair.assert_clean()
    pair.server.kill()
    done = pair.verify()
    assert (done.returncode, done.stdout) == (5, "")
    assert "can't be reached" in done.stderr


def test_frames_that_are_damaged_or_others_on_the_server_are_found_and_hinder_nobody(pair: Pair):
    """In one stream a byte is flipped; in the other somebody swapped two records and made all checksums fit."""
    with closing(raw(pair)) as db:
        row, data = items(db, pair.journal("whole").header.writer)[0]
        changed = bytearray(data)
        changed[len(data) // 2] ^= 0xFF
        db.execute("UPDATE item SET data = ? WHERE rowid = ?", (bytes(changed), row))
        payloads = [payload for _, payload in iterate_frames(stream(pair, "live"))]
        payloads[3], payloads[4] = payloads[4], payloads[3]
        swapped = b"".join(map(encode_frame, payloads))
        (row, _), *more = items(db, pair.journal("live").header.writer)
        db.execute("UPDATE item SET data = ?, size = ? WHERE rowid = ?", (pack_item(swapped), len(swapped), row))
        db.executemany("DELETE FROM item WHERE rowid = ?", [(row,) for row, _ in more])
    pair.server.start()
    assert {who: what for who, (what, _) in pair.found().items()} == {
        "whole": "the frames there are damaged",
        "live": "the frames there are damaged",
    }
    with Child(AS_TOLD, pair.server.url, "next", pair.folder) as child:
        ended(child, 10)
    assert child.lines[-1].endswith('"pending": 0}]')
    assert tasuki(pair.folder, "sync", "--to", pair.server.url).returncode == 0


def test_tails_that_are_missing_on_the_server_are_found_and_healed_by_sync(pair: Pair):
    for who in pair.runs:
        keep(pair, who, 30)
    pair.server.start()
    listed = pair.verify()
    assert listed.returncode == 6
    assert "63 records are missing there" in listed.stderr
    assert f"tasuki sync --to {pair.server.url}" in listed.stderr
    found = pair.found()
    assert {who: missing for who, (_, missing) in found.items()} == {"whole": 82 - 30, "live": 41 - 30}
    assert found["whole"][0].startswith("52 records are missing there, from ")
    synced = tasuki(pair.folder, "sync", "--to", pair.server.url, "--json")
    assert (synced.returncode, json.loads(synced.stdout)["sent"]) == (0, 63)
    pair.assert_clean()


def test_a_stream_that_the_server_does_not_have_is_found_and_healed_by_sync(pair: Pair):
    with closing(raw(pair)) as db:
        for table, column in (("item", "writer"), ("writer", "id")):
            db.execute(f"DELETE FROM {table} WHERE {column} = ?", (pair.journal("whole").header.writer,))
    pair.server.start()
    assert pair.found() == {"whole": ("82 records are missing there, from 0 on", 82)}
    assert tasuki(pair.folder, "sync", "--to", pair.server.url).returncode == 0
    pair.assert_clean()


def keep(pair: Pair, who: str, records: int) -> None:
    """Cut the server's copy of a stream, as an older copy of its folder would have it."""
    writer, data = pair.journal(who).header.writer, stream(pair, who)
    end = [offset for offset, _ in iterate_frames(data)][records]
    with closing(raw(pair)) as db:
        db.execute("DELETE FROM item WHERE writer = ?", (writer,))
        db.execute("INSERT INTO item VALUES (?, 0, 0, ?, ?)", (writer, end, pack_item(data[:end])))
        db.execute('UPDATE writer SET "offset" = ?, crc = ?, sealed = 0 WHERE id = ?', (end, crc32(data[:end]), writer))


# -- the data folder


def test_damage_and_a_cut_in_the_journals_are_found_and_nothing_is_missing_on_the_server(pair: Pair):
    """A byte of the sealed one is flipped, and the live one has lost its tail."""
    sealed, live = pair.journal("whole").path, pair.journal("live").path
    flip(sealed, sealed.stat().st_size - 20)
    live.write_bytes(live.read_bytes()[:-300])
    pair.server.start()
    found, had = pair.found(), records_at(pair.server)
    assert found["whole"][0].startswith("damaged here at ")
    assert found["live"][0].startswith("source shorter")
    assert [missing for _, missing in found.values()] == [0, 0]
    assert "nothing is missing there" in pair.verify().stderr
    assert tasuki(pair.folder, "sync", "--to", pair.server.url).returncode == 0
    assert records_at(pair.server) == had
    assert pair.found().keys() == found.keys()
    all_there(pair.server, pair.calls)


def test_a_flipped_byte_in_a_live_journal_is_found(pair: Pair):
    path = pair.journal("live").path
    _, body = beginning(path)
    flip(path, (body + path.stat().st_size) // 2)
    pair.server.start()
    found = pair.found()
    assert list(found) == ["live"]
    assert found["live"][0].startswith("damaged here at ")


# -- both, while runs log


def test_what_is_on_its_way_while_runs_log_is_no_difference(pair: Pair):
    pair.server.start()
    with Child(UNTIL_TOLD, pair.server.url, "busy", pair.folder) as child:
        child.expect("ack")
        for _ in range(4):
            done = pair.verify()
            assert done.returncode == 0, done.stdout + done.stderr
        child.tell("enough")
        child.done()
