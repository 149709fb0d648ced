"""What a run leaves where it was made, and that all who use a data folder see the same in it."""

import json

import pytest

import tasuki
from tests.e2e.shell import tasuki as command
from tests.e2e.targets import Target
from tests.journals import journals
from tests.processes import eventually

LOGS = """
import tasuki
run = tasuki.init(name="it")
for step in range(5):
    run.log({"loss": 1.0 / (step + 1)}, step=step)
run.finish()
print("run", run.id, flush=True)
"""
BOTH = """
import json, os, subprocess, sys, tasuki
with tasuki.init(name="it") as run:
    run.log({"loss": 0.5}, step=3)
done = subprocess.run([sys.executable, "-m", "tasuki", "run", "list", "--json"], capture_output=True, check=True)
(listed,) = json.loads(done.stdout)["runs"]
(found,) = tasuki.Api().runs()
print(json.dumps([run.id, listed["id"], listed["last"], found.id, found.final_metrics()]), flush=True)
"""


def test_a_remote_run_leaves_a_journal_but_no_store_and_goes_whole_by_retention(target: Target):
    with target.child(LOGS) as child:
        run = child.expect("run ")
        child.done()
    assert journals(target.folder)
    assert list(target.folder.glob("store*")) == []  # nobody has asked for anything here
    with tasuki.Api(dir=str(target.folder)) as here:
        assert [call["step"] for call in here.run(run, target.project).history()] == [0, 1, 2, 3, 4]
    if target.url is None:
        kept = command(target.folder, "gc", TASUKI_RETENTION_DAYS="0")
        assert kept.returncode == 2, "a journal that nobody else has never goes"
        assert journals(target.folder)
        return

    def gone() -> bool:
        assert command(target.folder, "gc", "--remote", str(target.url), TASUKI_RETENTION_DAYS="0").returncode == 0
        return not journals(target.folder)

    eventually(gone)
    with tasuki.Api(dir=str(target.folder)) as here, pytest.raises(tasuki.TasukiError, match=r"nothing is recorded|no project"):
        here.runs(target.project)
    with target.api() as there:
        assert [call["step"] for call in there.run(run, target.project).history()] == [0, 1, 2, 3, 4]


def test_the_command_as_a_subprocess_and_the_library_share_their_data_folder(target: Target):
    with target.child(BOTH) as child:
        run, listed, last, found, final = json.loads(child.done()[-1])
    assert run == listed == found
    assert last == final == {"loss": 0.5}
