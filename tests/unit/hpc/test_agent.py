"""What the agent concludes from recorded answers of schedulers that can't run here; commands that stand in for theirs give them."""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tasuki.hpc.agent import AGENT_FOLDERS
from tasuki.hpc.agent_report import AgentEvent, parse_event

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts"
AGENT = str(files("tasuki.hpc").joinpath("agent.sh"))


def recorded(name: str) -> list[str]:
    """An output's lines, without those that name its source."""
    return [line for line in (TRANSCRIPTS / name).read_text().splitlines() if not line.startswith("# ")]


class Host:
    """A folder of an agent where one job waits, and commands that say and end as they are told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in (*AGENT_FOLDERS.split(), "jobs/job/.run", "bin", "lock"):
            (root / name).mkdir(parents=True)
        (root / "lock/free").touch()
        (root / "conf").write_text(f"SCHEDULER=pbs\nPATH={root / 'bin'}\n")
        (root / "jobs/job/.run/job.sh").write_text("attempt=1\n")
        (root / "waiting/500000001-job").touch()
        shutil.copy(AGENT, root / "agent.sh")
        self.answers("qstat")
        self.answers("qsub")

    def answers(self, command: str, *lines: str, code: int = 0) -> None:
        """From now on."""
        (self.root / f"{command}.said").write_text("".join(f"{line}\n" for line in lines))
        path = self.root / "bin" / command
        path.write_text(f"#!/bin/sh\ncat '{self.root}/{command}.said' >&{2 if code else 1}\nexit {code}\n")
        path.chmod(0o700)

    def agent(self, *command: str) -> int:
        """Its exit code."""
        return subprocess.run(["sh", self.root / "agent.sh", *command], capture_output=True, timeout=10).returncode

    def pass_once(self) -> AgentEvent:
        """The last that a pass has noted."""
        assert self.agent("trigger") == 0
        event = parse_event((self.root / "log/agent.log").read_text().splitlines()[-1])
        assert event
        return event


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "tasuki")


def test_an_empty_queue_is_an_answer(host: Host) -> None:
    host.answers("qstat", *recorded("openpbs/qstat-empty.txt"))
    assert host.agent("look") == 0
    host.answers("qstat", code=153)
    assert host.agent("look") == 0


@pytest.mark.parametrize("name", ["openpbs/qstat-unknown.txt", "openpbs/qstat-finished.txt", "torque/qstat-unknown.txt"])
def test_an_error_is_no_empty_queue(host: Host, name: str) -> None:
    *lines, code = recorded(name)
    host.answers("qstat", *lines, code=int(code))
    assert host.agent("look") == 1
    event = host.pass_once()
    assert (event.kind, event.fields["text"]) == ("QUEUE_UNKNOWN", lines[0])


@pytest.mark.parametrize("line", recorded("openpbs/qsub-quota.txt") + recorded("torque/qsub-quota.txt"))
def test_a_limit_is_waited_for(host: Host, line: str) -> None:
    host.answers("qsub", line, code=38)
    event = host.pass_once()
    assert (event.kind, event.job, event.fields["text"]) == ("BACKOFF", "job", line)


def test_another_refusal_counts_as_an_error(host: Host) -> None:
    host.answers("qsub", *recorded("slurm/qsub-refused.txt"), code=1)
    assert host.pass_once().kind == "QSUB_ERROR"


@pytest.mark.parametrize("name", ["openpbs/qsub.txt", "torque/qsub.txt"])
def test_an_id_of_any_kind_is_a_submission(host: Host, name: str) -> None:
    host.answers("qsub", *recorded(name))
    event = host.pass_once()
    assert (event.kind, event.fields["sid"]) == ("SUBMITTED", recorded(name)[0])
