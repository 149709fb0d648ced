"""The process that trains: what it loads, and how it may end."""

import os
import shutil
import signal
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.chaos.conftest import OpenStore
from tests.support.acknowledged_calls import PROJECT, acknowledged, check
from tests.support.processes import Child

HEAVY = ("numpy", "apsw", "sqlite3", "httpx", "litestar", "rich", "typer", "uvicorn")
LOADS = """
import sys, tasuki
with tasuki.init("p", config={"lr": 0.1}) as run:
    run.log({"x": 1.0, "nested": {"y": 2}})
    run.log({"x": 1.0}, durable=True)
    tasuki.log({"x": 2})
    tasuki.alert("hello", data={"x": 1})
    run.config["lr"] = 0.2
    run.appender.maintain()
again = tasuki.init("p", id=run.id, resume="must")
tasuki.finish()
print(*sorted(sys.modules), flush=True)
"""
ENDS = """
import os, signal, sys, threading, time, tasuki
from tests.support.acknowledged_calls import PROJECT, log_many, say
run = tasuki.init(PROJECT)
log_many(run, "main", 10)
say("ready")
def terminate():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""
ENDINGS = {
    "falls off the end": ("", 0, "failed", "the interpreter ended without finish()"),
    "sys.exit": ("sys.exit(3)", 3, "failed", "the interpreter ended without finish()"),
    "exception": ("raise ValueError('boom')", 1, "failed", "ValueError: boom"),
    "exception of any text": ("raise ValueError('\\udcff')", 1, "failed", "ValueError: ?"),
    "SIGTERM": ("terminate()", -15, "failed", "SIGTERM"),
    "SIGTERM among threads": ("threading.Thread(target=time.sleep, args=(60,)).start(); terminate()", -15, "failed", "SIGTERM"),
    "SIGINT": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -2, "failed", "KeyboardInterrupt"),
    "finished": ("run.finish()", 0, "finished", None),
    "finished, then an exception": ("run.finish(); raise ValueError('boom')", 1, "finished", None),
    "with block": ("with run: pass", 0, "finished", None),
    "exception out of a with block": ("\nwith run:\n    raise ValueError('boom')", 1, "failed", "ValueError: boom"),
    "os._exit": ("os._exit(0)", 0, "crashed", None),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", -9, "crashed", None),
    "SIGABRT": ("os.abort()", -6, "crashed", None),
}
SYNCS = """
import sys, time, tasuki
run = tasuki.init("p")
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    run.log({"x": 1.0}, durable=sys.argv[2] == "durable")
    time.sleep(0.05)
run.finish()
"""


def fdatasyncs(tmp_path: Path, seconds: float, mode: str) -> list[float]:
    """When a training asked the disk to sync, in seconds since it first did."""
    trace = tmp_path / "trace"
    prefix = ["strace", "-f", "-ttt", "-e", "trace=fdatasync", "-e", "signal=none", "-o", str(trace)]
    if shutil.which("strace") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        if os.environ.get("CI"):
            pytest.fail("strace is not there, or not permitted")
        pytest.skip("strace is not there, or not permitted")
    with Child(SYNCS, seconds, mode, prefix=prefix) as child:
        child.done()
    times = [float(line.split()[1]) for line in trace.read_text().splitlines() if "fdatasync(" in line]
    return [moment - times[0] for moment in times]


def test_the_journal_is_synced_each_second(data_dir: Path, tmp_path: Path):
    times = fdatasyncs(tmp_path, 3.6, "usual")
    assert 3 <= len(times) <= 5
    assert all(later - earlier > 0.5 for earlier, later in pairwise(times))


def test_a_durable_call_waits_for_the_disk(data_dir: Path, tmp_path: Path):
    assert len(fdatasyncs(tmp_path, 1, "durable")) > 5


def test_a_training_loads_nothing_heavy():
    with Child(LOADS) as child:
        (line,) = child.done()
    loaded = set(line.split())
    assert "tasuki.journal.appender" in loaded
    assert {name for name in loaded if name.partition(".")[0].lstrip("_") in HEAVY} == set()


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_leaves_its_status_and_all_calls(ending: str, data_dir: Path, open_store: OpenStore):
    script, code, status, reason = ENDINGS[ending]
    with Child(ENDS + script) as child:
        assert child.end() == code
        calls = acknowledged(child.lines)
    assert len(calls) == 10
    with open_store() as store:
        assert check(store, calls) == {}
        (run,) = store.runs(PROJECT)
        assert (run.status, run.reason) == (status, reason)


def test_a_handler_of_ones_own_for_sigterm_is_left_alone(data_dir: Path, open_store: OpenStore):
    own = "signal.signal(signal.SIGTERM, lambda *_: say('own handler'))\n"
    script = ENDS.replace("run = ", own + "run = ") + "sys.stdin.readline()\nrun.finish()"
    with Child(script) as child:
        child.expect("ready")
        child.signal(signal.SIGTERM)
        child.expect("own handler")
        child.tell("go")
        child.done()
    with open_store() as store:
        assert [run.status for run in store.runs(PROJECT)] == ["finished"]


@pytest.mark.parametrize("ending", ["sys.exit(5)", "run.finish('failed'); os._exit(5)", "\n    with run: sys.exit(5)"])
def test_a_forked_worker_that_ends_says_nothing_about_the_run(ending: str, data_dir: Path, open_store: OpenStore):
    script = f"""
pid = os.fork()
if pid == 0:
    log_many(run, "worker", 5)
    {ending}
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
say("forked")
sys.stdin.readline()
run.finish()
"""
    with Child(ENDS + script) as child:
        child.expect("forked")
        with open_store() as store:
            assert [run.status for run in store.runs(PROJECT)] == ["running"]
        child.tell("go")
        calls = acknowledged(child.done())
    assert len(calls) == 15
    with open_store() as store:
        assert check(store, calls) == {}
        assert [run.status for run in store.runs(PROJECT)] == ["finished"]
