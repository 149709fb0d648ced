"""What a run leaves where it was made."""

import pytest

import tasuki
from tests.support.journals import journals
from tests.support.processes import eventually
from tests.support.query_targets import Target
from tests.support.shell import tasuki as command

LOGS = """
import tasuki
run = tasuki.init(name="it")
for step in range(5):
    run.log({"loss": 1.0 / (step + 1)}, step=step)
run.finish()
print("run", run.id, flush=True)
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
