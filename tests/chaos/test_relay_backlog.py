"""What is left behind is brought by whoever comes next, however much it is and whatever becomes of the others; and full disks."""

import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.acknowledged_calls import acknowledged
from tests.support.processes import Child, eventually
from tests.support.remote_server import Server, all_there, differences, records_at, records_in, sync_all
from tests.support.shell import environment
from tests.support.soak import SOAK
from tests.support.training_processes import AS_TOLD, ended, logged

LEAVES = """
import os, sys, tasuki
run = tasuki.init("p", remote=sys.argv[1])
for n in range(int(sys.argv[2])):
    run.log({"loss": n / 7})
os._exit(0)
"""
OPENS = """
import sys, tasuki
tasuki.init("p", remote=sys.argv[1])
print("began", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("count", [10_000, *([100_000] if SOAK else [])])
def test_a_backlog_is_brought_within_a_second_per_1000_by_a_process_that_logs_nothing(
    count: int, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    server.kill()
    subprocess.run(
        [sys.executable, "-c", LEAVES, server.url, str(count)], env=environment(folder), check=True, stderr=subprocess.DEVNULL
    )
    assert records_in(folder) == count + 1
    server.start()
    monkeypatch.setenv("TASUKI_DIR", str(folder))
    began = time.monotonic()
    with Child(OPENS, server.url) as child:
        child.expect("began")
        eventually(lambda: records_at(server, folder) >= count + 2)
    assert time.monotonic() - began < count / 1000
    assert differences(folder, server.url) == []


def test_of_8_processes_on_one_folder_one_is_stopped_and_one_killed_and_everything_arrives_once(server: Server, folder: Path):
    with ExitStack() as stack:
        children = [stack.enter_context(Child(AS_TOLD, server.url, f"main{n}", folder)) for n in range(8)]
        for child in children:
            child.tell("20")
        for child in children:
            child.expect("ack", 20)
        children[0].signal(signal.SIGSTOP)
        children[1].kill()
        lines = [line for child in children[2:] for line in ended(child, 10)]
        children[0].signal(signal.SIGCONT)
        lines += ended(children[0], 10) + children[1].lines
    with Child(AS_TOLD, server.url, "later", folder) as later:
        logged(later, 1)
        lines += ended(later)
    sync_all(folder, server.url)
    all_there(server, acknowledged(lines))
    assert differences(folder, server.url) == []


def test_a_full_disk_under_the_server_costs_nothing_once_there_is_room(folder: Path, tmp_path: Path):
    """The server's folder is a small tmpfs, filled and emptied from within its mount namespace."""
    place = tmp_path / "small"
    prefix = ["unshare", "--mount", "sh", "-c", 'mkdir -p "$0" && mount -t tmpfs -o size=12m tmpfs "$0" && exec "$@"', str(place)]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("mount namespaces are not permitted")
    with Child(FILLS, place, prefix=prefix) as small:
        remote = small.expect("serving ")
        with Child(AS_TOLD, remote, "main", folder) as child:
            logged(child, 10)
            small.tell("fill")
            small.expect("full")
            logged(child, 500)
            time.sleep(2)
            small.tell("empty")
            small.expect("empty")
            logged(child, 10)
            ended(child)
        sync_all(folder, remote)
        assert differences(folder, remote) == []
        small.tell("end")
        small.done()


FILLS = """
import re, subprocess, sys
from pathlib import Path
place = Path(sys.argv[1])
server = subprocess.Popen(
    [sys.executable, "-m", "tasuki", "serve", "--dir", str(place / "data"), "--port", "0"], stderr=subprocess.PIPE, text=True
)
print("serving", re.search(r"http://[^ ]+:\\d+", server.stderr.readline())[0], flush=True)
for line in sys.stdin:
    if line == "fill\\n":
        with (place / "filler").open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass
        print("full", flush=True)
    elif line == "empty\\n":
        (place / "filler").unlink()
        print("empty", flush=True)
    else:
        break
server.terminate()
server.communicate()
"""
