"""A volume, as a user has one: writers without credentials, a syncer with the token, a real server."""

import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasuki import VolumeSyncer, setup_volume
from tasuki.errors import ConfigError
from tasuki.records import encode, encode_frame
from tests.support.journals import flip, journals, metrics, write_journal
from tests.support.processes import eventually
from tests.support.remote_server import Server, free_port, records_at
from tests.support.shell import TASUKI, environment, python, tasuki
from tests.support.trackio_databases import database, log, opened

LOGS = """
import sys, tasuki
run = tasuki.init(sys.argv[1] if len(sys.argv) > 1 else "p", "r")
for step in range(10):
    run.log({"loss": 1 / (step + 1)})
run.finish()
print(run.id)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def syncer(volume: Path, tmp_path: Path, said: list[str]) -> Iterator[Callable[..., VolumeSyncer]]:
    """Makes one that says its lines into `said`."""
    made: list[VolumeSyncer] = []

    def make(remote: str | None = None, **how: object) -> VolumeSyncer:
        made.append(VolumeSyncer(volume, remote, state=tmp_path / "syncer", say=said.append, **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_sandbox_without_a_token_a_syncer_with_one(volume: Path, tmp_path: Path, server: Server) -> None:
    """The issue's example: the destination comes in the middle of the session."""
    first = python(tmp_path / "sandbox", LOGS, TASUKI_JOURNAL=str(volume)).strip()
    waits = tasuki(tmp_path / "syncer", "syncer", "--volume", str(volume), "--once")
    assert waits.returncode == 5
    assert "waiting for a destination: tasuki volume init" in waits.stderr
    assert tasuki(tmp_path / "admin", "volume", "init", str(volume), "--remote", server.url).returncode == 0
    second = python(tmp_path / "sandbox", LOGS, TASUKI_JOURNAL=str(volume)).strip()
    done = tasuki(tmp_path / "syncer", "syncer", "--volume", str(volume), "--once")
    assert (done.returncode, done.stdout) == (0, "")
    assert "[syncer] synced 'p'" in done.stderr.splitlines()
    with server.caught_up() as query:
        runs = {run.id: (run.status, run.points) for run in query.runs("p")}
    assert runs == {first: ("finished", 10), second: ("finished", 10)}
    again = tasuki(tmp_path / "syncer", "syncer", "--volume", str(volume), "--once")
    assert (again.returncode, "synced" in again.stderr) == (0, False)
    assert not (tmp_path / "sandbox" / "store").exists()
    assert {path.suffix for path in volume.rglob("*") if path.is_file()} == {".tsk", ""}


def test_a_token_is_shown_to_no_address_that_only_the_volume_names(volume: Path, tmp_path: Path, server: Server) -> None:
    token = tasuki(server.folder, "token", "create", "--log", "p").stdout.strip()
    python(tmp_path / "sandbox", LOGS, TASUKI_JOURNAL=str(volume))
    setup_volume(volume, remote=server.url)
    syncer = ["syncer", "--volume", str(volume), "--once"]
    refused = tasuki(tmp_path / "syncer", *syncer, TASUKI_TOKEN=token)
    assert refused.returncode == 5
    assert "answered 401" in refused.stderr
    assert tasuki(tmp_path / "syncer", *syncer, "--to", server.url, TASUKI_TOKEN=token).returncode == 0
    python(tmp_path / "sandbox", LOGS, TASUKI_JOURNAL=str(volume))
    assert tasuki(tmp_path / "syncer", "remote", "add", "team", server.url, "--token", "-", text=token).returncode == 0
    setup_volume(volume, remote="team")
    assert tasuki(tmp_path / "syncer", *syncer).returncode == 0
    assert records_at(server) == 24


def test_a_token_of_one_project_sends_that_one_and_the_others_are_named(
    volume: Path, server: Server, syncer: Callable[..., VolumeSyncer], said: list[str]
) -> None:
    token = tasuki(server.folder, "token", "create", "--log", "mine").stdout.strip()
    write_journal(volume, [metrics(step) for step in range(5)], project="theirs")
    with opened(database(volume, "others", rows=False)) as db:
        log(db, 0)
    one = syncer(server.url, token=token)
    assert not one.once()
    write_journal(volume, [metrics(step) for step in range(5)], project="mine")
    assert not one.once()
    assert "[syncer] synced 'mine'" in said
    assert records_at(server) == 5
    assert {"theirs", "others"} <= one.status.errors.keys()
    assert [line for line in said if "error 'mine'" in line] == []


def test_the_destination_appears_changes_is_wrong_and_is_unreachable(
    volume: Path, tmp_path: Path, server: Server, syncer: Callable[..., VolumeSyncer], said: list[str]
) -> None:
    one = syncer()
    path = write_journal(volume, [metrics(step) for step in range(5)])
    for _ in range(3):
        assert not one.once()
    assert len(said) == 1
    assert "waiting for a destination" in said.pop()
    setup_volume(volume, remote=server.url)
    assert one.once()
    assert said == [f"[syncer] from {volume} to {server.url}", "[syncer] synced 'p'"]
    said.clear()
    (volume / "remote").write_text("not a destination!")
    more(path, 5, 8)
    for _ in range(3):
        assert not one.once()
    assert len(said) == 1
    assert "says 'not a destination!', which is no destination" in said.pop()
    nowhere = f"http://127.0.0.1:{free_port()}"
    setup_volume(volume, remote=nowhere)
    for _ in range(3):
        assert not one.once()
    assert len(said) == 2
    assert said[0] == f"[syncer] from {volume} to {nowhere}"
    assert said[1].startswith(f"[syncer] error: {nowhere} can't be reached")
    said.clear()
    with Server(tmp_path / "another") as another:
        setup_volume(volume, remote=another.url)
        assert one.once()
        assert records_at(another) == 8
        assert records_at(server) == 5
        setup_volume(volume, remote=server.url)
        assert one.once()
    assert records_at(server) == 8
    assert said.count("[syncer] synced 'p'") == 2


def more(path: Path, start: int, end: int) -> None:
    """Records that a journal gets later."""
    with path.open("ab") as file:
        file.write(b"".join(encode_frame(encode(metrics(step))) for step in range(start, end)))


def test_a_server_that_is_killed_and_comes_back_gets_everything_without_a_restart(
    volume: Path, server: Server, syncer: Callable[..., VolumeSyncer], said: list[str]
) -> None:
    one = syncer(server.url)
    path = write_journal(volume, [metrics(step) for step in range(5)])
    with opened(database(volume, rows=False)) as db:
        log(db, 0)
    assert one.once()
    server.kill_all()
    more(path, 5, 10)
    with opened(volume / "seen.db") as db:
        log(db, 1)
    for _ in range(4):
        assert not one.once()
    why = [line for line in said if "can't be reached" in line]
    assert why
    assert len(why) == len(set(why)), "each reason once: the first may be a connection reset, the others are refused"
    server.start()
    assert one.once()
    with server.caught_up() as query:
        assert len(query.history("p", "r")) == 10
        assert [row.step for row in query.history("seen", "id")] == [0, 1]


def test_the_layout_of_the_seed_works_as_it_is(
    volume: Path, tmp_path: Path, server: Server, syncer: Callable[..., VolumeSyncer], said: list[str]
) -> None:
    """`space_id`, `<project>.db` and `<project>.lock` at the volume's root; here the caller says where to, for want of a Space."""
    (volume / "space_id").write_text("user/space\n")
    for project in ("alpha", "beta"):
        database(volume, project)
        (volume / f"{project}.lock").touch()
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in volume.iterdir()}
    reloads: list[int] = []
    one = syncer(server.url, reload=lambda: reloads.append(1))
    assert one.once()
    assert one.once()
    assert said[1:] == ["[syncer] synced 'alpha'", "[syncer] synced 'beta'"]
    assert len(reloads) == 2
    assert {path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in volume.iterdir()} == before
    with server.caught_up() as query:
        assert [project.name for project in query.projects()] == ["alpha", "beta"]
        assert {run.name for run in query.runs("beta")} == {"first", "second"}


def test_a_corrupt_database_and_a_corrupt_journal_are_named_and_the_others_go_on(
    volume: Path, server: Server, syncer: Callable[..., VolumeSyncer], said: list[str]
) -> None:
    database(volume, "good")
    bad = database(volume, "bad")
    bad.write_bytes(bad.read_bytes()[:5000] + b"\x00" * 9000)
    write_journal(volume, [metrics(step) for step in range(5)], project="fine")
    broken = write_journal(volume, [metrics(step) for step in range(5)], project="broken")
    flip(broken, broken.stat().st_size - 3)
    headless = write_journal(volume, [metrics(1)], project="headless")
    flip(headless, 30)
    one = syncer(server.url)
    for _ in range(2):
        assert not one.once()
    errors = [line for line in said if line.startswith("[syncer] error ")]
    assert len(errors) == 3
    assert any(line.startswith("[syncer] error 'bad': ") and str(bad) in line for line in errors)
    assert any(line.startswith("[syncer] error 'broken': ") and str(broken) in line for line in errors)
    assert any(str(headless) in line and "header" in line for line in errors)
    assert {"[syncer] synced 'good'", "[syncer] synced 'fine'"} < set(said)
    with server.caught_up() as query:
        assert [project.name for project in query.projects()] == ["broken", "fine", "good"]
        assert len(query.history("broken", "r")) == 4
    shutil.copyfile(volume / "good.db", bad)
    assert one.status.errors.keys() == {"bad", "broken", headless.parent.name}
    one.once()
    assert "[syncer] synced 'bad'" in said
    assert "bad" not in one.status.errors


def test_sigterm_ends_it_cleanly_and_its_figures_can_be_read_until_then(volume: Path, tmp_path: Path, server: Server) -> None:
    path = write_journal(volume, [metrics(step) for step in range(5)])
    port = free_port()
    command = [*TASUKI, "syncer", f"--volume={volume}", f"--to={server.url}", "--interval=0.1", f"--metrics={port}"]
    with subprocess.Popen(command, env=environment(tmp_path / "syncer"), stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: records_at(server) == 5)
        more(path, 5, 9)
        eventually(lambda: records_at(server) == 9)

        def figures() -> dict[str, float]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                lines = answer.read().decode().splitlines()
            return {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}

        eventually(lambda: figures()["tasuki_syncer_records_total"] == 9)
        assert figures()["tasuki_syncer_errors"] == 0
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_doctor_shows_the_syncer(volume: Path, tmp_path: Path, server: Server) -> None:
    write_journal(volume, [metrics(1)])
    state = tmp_path / "syncer"
    tasuki(state, "syncer", "--volume", str(volume), "--to", server.url, "--once")
    found = tasuki(state, "doctor")
    assert f"syncer {volume}" in found.stdout
    assert f"to {server.url}" in found.stdout
    bad = database(volume, "bad")
    bad.write_bytes(b"no database" * 100)
    tasuki(state, "syncer", "--volume", str(volume), "--to", server.url, "--once")
    found = tasuki(state, "doctor")
    assert found.returncode == 1
    assert "'bad'" in found.stdout


def test_nothing_is_removed_from_a_volume_unless_that_is_asked_for(volume: Path, tmp_path: Path, server: Server) -> None:
    python(tmp_path / "sandbox", LOGS, TASUKI_JOURNAL=str(volume))
    arguments = ["syncer", "--volume", str(volume), "--to", server.url, "--once"]
    tasuki(tmp_path / "syncer", *arguments)
    assert len(journals(volume)) == 1
    done = tasuki(tmp_path / "syncer", *arguments, "--remove-after", "0")
    assert "[syncer] removed" in done.stderr
    assert journals(volume) == []
    assert records_at(server) == 12


def test_a_volume_that_is_gone_for_a_while_is_an_error_and_no_more(
    volume: Path, server: Server, syncer: Callable[..., VolumeSyncer], said: list[str]
) -> None:
    write_journal(volume, [metrics(1)])
    one = syncer(server.url)
    away = volume.with_name("away")
    volume.rename(away)
    assert not one.once()
    assert not one.once()
    away.rename(volume)
    assert one.once()
    assert len([line for line in said if line.startswith("[syncer] error: ")]) == 1


def test_a_reload_that_fails_is_said_and_the_next_round_goes_on(
    volume: Path, server: Server, syncer: Callable[..., VolumeSyncer], said: list[str]
) -> None:
    write_journal(volume, [metrics(1)])
    fails = [True, True, False]

    def reload() -> None:
        if fails.pop(0):
            raise RuntimeError("the volume is busy")

    one = syncer(server.url, reload=reload)
    assert [one.once(), one.once(), one.once()] == [False, False, True]
    assert said[0] == "[syncer] error: the volume is busy"
    assert said.count("[syncer] error: the volume is busy") == 1


@pytest.mark.parametrize(
    "wrong", [{}, {"remote": "a b"}, {"remote": "ftp://x"}, {"space": "nobody"}, {"remote": "a", "space": "b/c"}]
)
def test_a_volume_is_given_no_destination_that_can_not_be_meant(wrong: dict[str, str], volume: Path) -> None:
    with pytest.raises(ConfigError):
        setup_volume(volume, **wrong)
    assert list(volume.iterdir()) == []


def test_a_process_that_trains_loads_none_of_it() -> None:
    script = "import sys, tasuki; tasuki.init; print([name for name in sys.modules if 'volume' in name or 'apsw' in name])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
