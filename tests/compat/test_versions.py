"""This version and the one before, as client and as server, in real processes: everything is delivered, whoever is the older."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import httpx
import msgspec
import pytest

from tasuki.records import Item, RunStarted, encode, encode_frame, pack_item
from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import open_tokens
from tests.support.journals import metrics, write_journal
from tests.support.processes import ROOT, eventually
from tests.support.remote_server import free_port

VERSIONS = tomllib.loads((ROOT / "tests/compat/versions.toml").read_text())
NOW = "now"
RUN = """
import tasuki
run = tasuki.init(project="p", name="from {name}", id="{id}", remote="{url}", config={{"lr": 0.1}})
for step in range(100):
    run.log({{"loss": 1 / (step + 1), "x": float("nan")}}, step)
run.alert("flat")
print(run.finish())
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Where each version's source lies."""
    before, commit = next((name, one["commit"]) for name, one in VERSIONS.items())
    place = tmp_path_factory.mktemp("versions") / before
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(place), commit], cwd=ROOT, check=True)
    try:
        yield {before: place / "src", NOW: ROOT / "src"}
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(place)], cwd=ROOT, check=True)


def environment(source: Path, folder: Path, **more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(source), "TASUKI_DIR": str(folder)} | more


def tasuki(source: Path, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tasuki", *arguments]
    return subprocess.run(command, env=environment(source, folder, **more), capture_output=True, text=True, timeout=60)


def run(source: Path, folder: Path, url: str, id: str, **more: str) -> str:
    script = RUN.format(name=id, id=id, url=url)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(source, folder, **more), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serving(source: Path, folder: Path, port: int) -> Iterator[httpx.Client]:
    """A server of that version."""
    command = [sys.executable, "-m", "tasuki", "serve", f"--dir={folder}", f"--port={port}"]
    process = subprocess.Popen(command, env=environment(source, folder), stderr=subprocess.DEVNULL)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/", timeout=20) as client:

        def answers() -> bool:
            try:
                return client.get("meta").status_code in (200, 401)
            except httpx.TransportError:
                return False

        try:
            eventually(answers)
            yield client
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize("older_server", [True, False], ids=["server before", "server now"])
@pytest.mark.parametrize("older_client", [True, False], ids=["client before", "client now"])
def test_everything_is_delivered_and_proved(sources, tmp_path, older_client, older_server):
    before = next(iter(VERSIONS))
    client, server = sources[before if older_client else NOW], sources[before if older_server else NOW]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(server, tmp_path / "server", port) as asked:
        assert asked.get("meta").json()["version"] == (before if older_server else asked.get("meta").json()["version"])
        assert "'pending': 0" in run(client, tmp_path / "client", url, "r1")
        (row,) = asked.get("runs", params={"project": "p"}).json()["runs"]
        assert (row["id"], row["status"], row["points"]) == ("r1", "finished", 200)
        verified = tasuki(client, tmp_path / "client", "verify", "--remote", url)
        assert verified.returncode == 0, verified.stderr
        shown = tasuki(client, tmp_path / "client", "run", "show", "r1", "--remote", url, "--json")
        assert shown.returncode == 0, shown.stderr
        assert tasuki(client, tmp_path / "client", "remote", "test", url).returncode == 0


def test_an_upgrade_of_the_server_between_two_runs_of_an_older_client_loses_nothing(sources, tmp_path):
    before = sources[next(iter(VERSIONS))]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(before, tmp_path / "server", port):
        run(before, tmp_path / "client", url, "r1")
    run(before, tmp_path / "client", url, "r2")  # while nobody is there
    with serving(sources[NOW], tmp_path / "server", port) as asked:
        run(before, tmp_path / "client", url, "r3")
        assert tasuki(before, tmp_path / "client", "sync", "--to", url).returncode == 0
        rows = asked.get("runs", params={"project": "p"}).json()["runs"]
        assert [(row["id"], row["status"], row["points"]) for row in rows] == [(id, "finished", 200) for id in ("r1", "r2", "r3")]


def test_an_upgrade_of_the_server_in_the_middle_of_a_drain_loses_and_doubles_nothing(sources, tmp_path):
    older, newer = sources.values()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    for n in range(300):
        write_journal(tmp_path / "client/journal", [metrics(step) for step in range(200)], run=f"left-{n}")
    command = [sys.executable, "-m", "tasuki", "sync", "--to", url]
    with serving(older, tmp_path / "server", port) as asked:
        drain = subprocess.Popen(command, env=environment(newer, tmp_path / "client"), stderr=subprocess.DEVNULL)
        eventually(lambda: bool(asked.get("projects").json()["projects"]) or drain.poll() is not None)
    drain.wait(60)
    with serving(newer, tmp_path / "server", port) as asked:
        assert tasuki(older, tmp_path / "client", "sync", "--to", url).returncode == 0
        verified = tasuki(newer, tmp_path / "client", "verify", "--remote", url)
        assert verified.returncode == 0, verified.stderr
        rows = asked.get("runs", params={"project": "p", "limit": 1000}).json()["runs"]
        assert sum(row["points"] for row in rows) == 300 * 200


def test_an_older_client_shows_its_token_to_a_server_of_now(sources, tmp_path):
    before = sources[next(iter(VERSIONS))]
    with open_tokens(tmp_path / "server") as tokens:
        good, all_of_it = tokens.create(Scope.LOG, "p"), tokens.create(Scope.READ, "p")
    port = free_port()
    with serving(sources[NOW], tmp_path / "server", port) as asked:
        assert "'pending': 0" in run(before, tmp_path / "client", f"http://127.0.0.1:{port}", "r1", TASUKI_TOKEN=good)
        answer = asked.get("runs", params={"project": "p"}, headers={"Authorization": f"Bearer {all_of_it}"})
        assert [row["points"] for row in answer.json()["runs"]] == [200]


def test_unknown_kinds_and_fields_are_kept_raw_by_an_older_server_and_are_the_same_after_the_upgrade(sources, tmp_path):
    known = msgspec.msgpack.decode(encode(RunStarted(time=1_800_000_000_000_000, attempt="one", name="n")))
    payloads = [
        msgspec.msgpack.encode([*known, "a field of the future"]),
        msgspec.msgpack.encode(["kind-of-the-future", 1_800_000_000_000_001, {"what": "ever"}]),
    ]
    data = b"".join(encode_frame(payload) for payload in payloads)
    item = Item(project="p", run="r", writer="0" * 32, offset=0, crc=0, sealed=True, data=pack_item(data))
    body = msgspec.msgpack.encode({"items": [item]})
    found = []
    for version in sources.values():
        with serving(version, tmp_path / "server", free_port()) as asked:
            answer = asked.post("replicate", content=body, headers={"Content-Type": "application/msgpack"})
            reply = msgspec.msgpack.decode(answer.content)["items"][0]
            assert (reply["offset"], reply["crc"]) == (len(data), crc32(data))
            (stream,) = asked.get("streams", params={"project": "p", "digest": 1}).json()["streams"]
            (row,) = asked.get("runs", params={"project": "p"}).json()["runs"]
            found.append((reply["status"], stream["sha256"], stream["damaged"], row["id"], row["name"]))
        listed = tasuki(version, tmp_path / "server", "query", "SELECT kind FROM unknown", "--json")
        assert "kind-of-the-future" in listed.stdout, listed.stderr
    assert [one[0] for one in found] == ["stored", "duplicate"]
    assert found[0][1:] == found[1][1:]
    assert found[0][1]


def test_what_speaks_another_protocol_is_told_to_upgrade(sources, tmp_path):
    with serving(sources[NOW], tmp_path / "server", free_port()) as asked:
        answer = asked.post("replicate", headers={"Tasuki-Protocol": "99"})
        assert (answer.status_code, answer.json()["error"]) == (426, "other-protocol")
        assert "pip install -U tasuki" in answer.json()["hint"]
        meta = asked.get("meta").json()
        assert set(meta) == {"version", "protocols", "server_id", "boot_id"}
        assert answer.headers["Tasuki-Protocol"] == str(max(meta["protocols"]))
