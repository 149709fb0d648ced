"""A full disk: a small tmpfs in a mount namespace of the training's own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tasuki.journal import find_damage, open_journal
from tasuki.records import LostCalls, RunStatus
from tests.chaos.conftest import OpenStore
from tests.support.acknowledged_calls import PROJECT, acknowledged, check
from tests.support.journals import journals, records_of
from tests.support.processes import Child

MOUNTED = ["unshare", "--mount", "sh", "-c", 'mkdir -p "$0" && mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"']
BEGIN = """
import os, sys, time, warnings, tasuki
from pathlib import Path
from tests.support.acknowledged_calls import Acknowledging, PROJECT, log_many, say
warnings.simplefilter("always")
caught = []
warnings.showwarning = lambda message, *_: caught.append(str(message))
data = Path(os.environ["TASUKI_DIR"])
def fill():
    with (data / "filler").open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass
def files():
    return sorted(str(path.relative_to(data)) for path in data.rglob("*") if path.is_file() and path.name != "filler")
def log(count):
    for _ in range(count):
        run.log({"n/full": log.n, "x/full": 0.5}, step=log.n)
        log.n += 1
log.n = 1
"""
FULL = """
run = tasuki.init(PROJECT)
log_many(run, "main", 20)
fill()
log(300)
if len(sys.argv) > 1:
    time.sleep(float(sys.argv[1]))
    log(300)
run.alert("loss is flat")
log(3000)  # more than the reserve would hold
run.finish("failed", reason="out of ideas")
say("result", log.n - 1, caught, files())
sys.stdin.readline()
"""
ROOM_AGAIN = """
run = tasuki.init(PROJECT)
log_many(run, "main", 20)
for round in range(3):
    fill()
    log(300)
    (data / "filler").unlink()
    log_many(run, f"round-{round}", 20)
run.finish()
say("result", log.n - 1, caught, files())
sys.stdin.readline()
"""
NO_ROOM = """
data.mkdir(exist_ok=True)
fill()
try:
    tasuki.init(PROJECT)
except tasuki.TasukiError as error:
    say("result", type(error).__name__, str(error), files())
sys.stdin.readline()
"""
NO_ROOM_FOR_ANOTHER = """
run = tasuki.init(PROJECT)
before = files()
fill()
try:
    tasuki.init(PROJECT)
except tasuki.TasukiError as error:
    say("result", type(error).__name__, str(error), sorted(set(files()) ^ set(before)))
sys.stdin.readline()
"""


@pytest.fixture
def mounted(tmp_path: Path) -> list[str]:
    """Runs a command that sees 2 MiB of disk in the data folder."""
    prefix = [*MOUNTED, str(tmp_path / "data")]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        if os.environ.get("CI"):
            pytest.fail("unshare -m is not permitted here")
        pytest.skip("unshare -m is not permitted here")
    return prefix


def result(script: str, prefix: list[str], data_dir: Path, *arguments: object) -> tuple[list[str], list]:
    """What a script said, and its result; what it left on its disk is in the data folder afterwards."""
    with Child(BEGIN + script, *arguments, prefix=prefix) as child:
        said = json.loads(child.expect("result "))
        if (inside := Path(f"/proc/{child.pid}/root{data_dir}")).exists():
            shutil.copytree(inside, data_dir, dirs_exist_ok=True, ignore=shutil.ignore_patterns("filler"))
        child.tell("go")
        return child.done(), said


def of_kind(data_dir: Path, kind: type) -> list:
    return [record for path in journals(data_dir) for record in records_of(path) if isinstance(record, kind)]


@pytest.mark.parametrize("pause", [0, 2.5], ids=["at once", "while the background thread works"])
def test_log_warns_once_and_goes_on_and_every_call_is_kept_or_counted(
    pause: float, data_dir: Path, open_store: OpenStore, mounted: list[str]
):
    lines, (logged, warnings, _) = result(FULL, mounted, data_dir, *([pause] if pause else []))
    said = [warning for warning in warnings if "can't write to" in warning]
    assert len(said) <= 2, "once before the alert, once behind it"
    assert "No space left on device; the run goes on, and what is lost is counted" in said[0]
    with open_store() as store:
        calls = acknowledged(lines)
        kept = sum(map(len, check(store, calls).values()))
        (run,) = store.runs(PROJECT)
        assert len(calls) == 20
        assert kept + run.lost == logged
        assert run.lost > 200


def test_status_and_alert_are_written_from_the_reserve_with_what_was_lost(
    data_dir: Path, open_store: OpenStore, mounted: list[str]
):
    _, (_, _, files) = result(FULL, mounted, data_dir)
    assert [(record.status, record.reason) for record in of_kind(data_dir, RunStatus)] == [("failed", "out of ideas")]
    assert all(lost.n > 0 and lost.since <= lost.until <= lost.time for lost in of_kind(data_dir, LostCalls))
    with open_store() as store:
        (run,) = store.runs(PROJECT)
        assert (run.status, run.reason) == ("failed", "out of ideas")
        assert [alert.title for alert in store.alerts(PROJECT)] == ["loss is flat"]
    assert {Path(name).suffix for name in files} <= {".tsk", ".lock"}


def test_logging_resumes_when_there_is_room(data_dir: Path, open_store: OpenStore, mounted: list[str]):
    lines, (logged, warnings, files) = result(ROOM_AGAIN, mounted, data_dir)
    assert len([warning for warning in warnings if "can't write to" in warning]) == 3, "once each time"
    with open_store() as store:
        calls = acknowledged(lines)
        assert len(calls) == 80
        kept = sum(map(len, check(store, calls).values()))
        (run,) = store.runs(PROJECT)
        assert kept + run.lost == logged
        assert run.status == "finished"
    for path in journals(data_dir):
        with open_journal(path) as view:
            assert find_damage(view) is None
    assert {Path(name).suffix for name in files} == {".tsk"}


def test_init_on_a_full_disk_fails_clearly_and_leaves_no_litter(data_dir: Path, mounted: list[str]):
    _, (kind, message, files) = result(NO_ROOM, mounted, data_dir)
    assert kind == "JournalError"
    assert "can't be written: No space left on device (free some space, or choose another folder: export TASUKI_DIR" in message
    assert files == []


def test_a_second_run_that_can_not_begin_leaves_the_first_alone(data_dir: Path, mounted: list[str]):
    _, (kind, _, litter) = result(NO_ROOM_FOR_ANOTHER, mounted, data_dir)
    assert kind == "JournalError"
    assert litter == []
