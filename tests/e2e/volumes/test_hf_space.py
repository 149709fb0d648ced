"""A Hugging Face Space as a volume's destination: the real trackio's sync, and its real server, over loopback."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasuki.errors import ConfigError, RemoteUnavailable
from tasuki.volumes.destination import build_space_url
from tasuki.volumes.hf_space import SpaceUploader, is_tasuki_server
from tests.support.fake_hf_space import SPACE, TrackioSpace
from tests.support.peer_trackers import extra_python
from tests.support.remote_server import Server, Website, free_port
from tests.support.trackio_databases import database, log, opened

ROUNDS = """
import sys
from tasuki import VolumeSyncer
with VolumeSyncer(sys.argv[1], state=sys.argv[2], say=lambda line: print(line, flush=True)) as syncer:
    for line in sys.stdin:
        print("round", syncer.once(), flush=True)
"""


@pytest.fixture
def space(tmp_path: Path) -> Iterator[TrackioSpace]:
    with TrackioSpace(tmp_path / "hugging-face") as space:
        yield space


@pytest.fixture
def volume(volume: Path) -> Path:
    (volume / "space_id").write_text(f"{SPACE}\n")
    return volume


def steps_at(space: TrackioSpace, project: str, tmp_path: Path) -> list[int]:
    """What the Space has. It keeps its databases locked, so a copy is read."""
    with opened(Path(shutil.copyfile(space.folder / f"{project}.db", tmp_path / "copy.db"))) as db:
        return [step for (step,) in db.execute("SELECT step FROM metrics WHERE run_id = 'id' ORDER BY id")]


def test_a_volume_of_trackios_goes_to_its_space_by_its_own_sync(volume: Path, tmp_path: Path, space: TrackioSpace) -> None:
    one, other = database(volume, "one", rows=False), database(volume, "other", rows=False)
    for path in (one, other):
        with opened(path) as db:
            log(db, 0)
            log(db, 1)
        os.utime(path, (1_700_000_000, 1_700_000_000))  # of one that has just been written another commit might not show
    bad = database(volume, "bad")
    bad.write_bytes(b"no database" * 100)
    command = [str(extra_python("trackio")), "-c", ROUNDS, str(volume), str(tmp_path / "syncer")]
    variables = os.environ | space.variables | {"TASUKI_DIR": str(tmp_path / "syncer")}
    with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def round() -> list[str]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            lines = []
            while not (line := process.stdout.readline().strip()).startswith("round"):
                assert line or process.poll() is None
                lines.append(line)
            return lines

        first = round()
        assert first[0] == f"[syncer] from {volume} to the Space {SPACE}"
        assert first[1].startswith("[syncer] error 'bad': ")
        assert first[2:] == ["[syncer] synced 'one'", "[syncer] synced 'other'"]
        assert (steps_at(space, "one", tmp_path), steps_at(space, "other", tmp_path)) == ([0, 1], [0, 1])
        asked = space.hub.asked.total()
        assert round() == []
        assert space.hub.asked.total() == asked
        with opened(one) as db:
            log(db, 2)
        assert round() == ["[syncer] synced 'one'"]
        assert (steps_at(space, "one", tmp_path), steps_at(space, "other", tmp_path)) == ([0, 1, 2], [0, 1])
        process.stdin.close()


def test_a_tasuki_server_is_known_for_one_wherever_it_runs(tmp_path: Path) -> None:
    with Server(tmp_path / "server") as server:
        assert is_tasuki_server(server.url, "hf_token")
    with Website(404) as site:
        assert not is_tasuki_server(site.url, None)
    with pytest.raises(RemoteUnavailable):
        is_tasuki_server(f"http://127.0.0.1:{free_port()}", None)


def test_a_space_answers_under_an_address_of_its_own() -> None:
    assert build_space_url("User/my_space.2") == "https://user-my-space-2.hf.space"


def test_without_trackio_a_space_of_its_says_what_to_install(volume: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pip install 'tasuki\[trackio\]'"):
        SpaceUploader(volume, SPACE, tmp_path)
