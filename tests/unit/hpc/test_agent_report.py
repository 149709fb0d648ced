"""The agent's report is read to the byte, whatever was being written when it was made."""

import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tasuki.errors import RemoteUnavailable
from tasuki.hpc.agent_report import AgentReport, LogCursor, TicketState, parse_event, parse_report
from tasuki.hpc.host import Host
from tests.unit.hpc.schedulers.test_schedulers import SHELLS

SITE = Host(name="here", host="here")
FIRST = "v1 1 1795563378 SUBMITTED j1 1 sid=12.server ."
SECOND = "v1 2 1795563379 FAIL j1 1 sid=12 code=1 reason=it%20did%20not%0Aconverge ."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in (*TicketState, "started", "flags", "completed", "log", "lock", "kick.d"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lock/free").touch()
    (tmp_path / "agent.sh").write_text(files("tasuki.hpc").joinpath("agent.sh").read_text())
    return tmp_path


START = LogCursor()


def ask(root: Path, cursor: LogCursor = START, shell: str = "sh") -> AgentReport:
    command = [*shell.split(), str(root / "agent.sh"), "report", str(cursor.offset), str(cursor.first_line), "0"]
    return parse_report(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout, SITE, cursor)


def test_a_line_is_read() -> None:
    event = parse_event(SECOND)
    assert event is not None
    assert (event.sequence, event.time, event.kind, event.job, event.attempt) == (2, 1795563379, "FAIL", "j1", 1)
    assert event.fields["reason"] == "it did not\nconverge"
    for torn in (SECOND[:-2], SECOND[:20], "", "v2 1 1 DONE j 1 .", "v1 x 1 DONE j 1 ."):
        assert parse_event(torn) is None


def test_only_what_is_new_comes(root: Path) -> None:
    log = root / "log/agent.log"
    assert ask(root) == AgentReport(1, LogCursor(), [], {}, {}, set(), {}, [])
    log.write_text(f"{FIRST}\n")
    report = ask(root)
    assert [event.sequence for event in report.events] == [1]
    assert report.cursor == LogCursor(1, len(FIRST) + 1)
    log.write_text(f"{FIRST}\n{SECOND}\n")
    again = ask(root, report.cursor)
    assert [event.sequence for event in again.events] == [2]
    assert ask(root, again.cursor).events == []


def test_outputs_behind_a_report_leave_it_whole(root: Path) -> None:
    (root / "started/j1.1").mkdir()
    (root / "started/j1.1/sid").write_text("7\n")
    plain = subprocess.run(["sh", str(root / "agent.sh"), "report", "0", "0", "0"], stdout=subprocess.PIPE, check=True).stdout
    report = parse_report(plain + b"outputs\nj1 1 stdout.txt 0 2 2\nok\n", SITE, START)
    assert report.running_attempts == parse_report(plain, SITE, START).running_attempts == {("j1", 1)}
    assert [piece.data for piece in report.outputs] == [b"ok"]


def test_a_line_that_is_half_written_comes_when_it_is_whole(root: Path) -> None:
    log = root / "log/agent.log"
    log.write_text(f"{FIRST}\n{SECOND[:30]}")
    report = ask(root)
    assert report.cursor.offset == len(FIRST) + 1
    log.write_text(f"{FIRST}\n{SECOND}\n")
    assert [event.sequence for event in ask(root, report.cursor).events] == [2]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reports_alike(root: Path, shell: str) -> None:
    (root / "log/agent.log").write_text(f"{FIRST}\n{SECOND[:30]}")
    (root / "flags/j1.1").write_text("FAIL\n11\n")
    (root / "done/500000001-j1").write_text("ID=j1\nATTEMPT=3\nSID=9.pbs\n")
    (root / "completed/old.flag").write_text("DONE\n7\n")
    report = ask(root, shell=shell)
    assert (report.cursor, report.states) == (LogCursor(1, len(FIRST) + 1), {"j1": TicketState.DONE})
    assert report.ticket_locations["j1"] == (TicketState.DONE, 3, "9.pbs")
    assert report.flags == {("j1", 1): ("FAIL", "11", {})}
    assert report.legacy_flags == {"old": ("DONE", "7", {})}


def test_a_torn_line_in_between_is_passed_over(root: Path) -> None:
    (root / "log/agent.log").write_text(f"{FIRST[:20]}\n{SECOND}\n")
    report = ask(root)
    assert [event.sequence for event in report.events] == [2]
    assert report.cursor.offset == 20 + 1 + len(SECOND) + 1


def test_what_was_rotated_away_comes_too(root: Path) -> None:
    (root / "log/agent.log").write_text(f"{FIRST}\n")
    report = ask(root)
    (root / "log/agent.log.1").write_text(f"{FIRST}\n{SECOND}\n")
    (root / "log/agent.log").write_text("v1 3 1795563380 ROTATED - 0 .\n")
    report = ask(root, report.cursor)
    assert [event.sequence for event in report.events] == [2, 3]
    assert report.cursor == LogCursor(3, 30)


def test_flags_states_and_starts_come_whole(root: Path) -> None:
    for state, name in (
        ("failed", "500000001-j1"),
        ("waiting", "500000009-j1"),
        ("done", "500000002-j2"),
        ("submitted", "500000003-j3"),
    ):
        (root / state / name).write_text("ID=x\n")
    for started in ("j2.1", "j3.2"):
        (root / "started" / started).mkdir()
        (root / "started" / started / "sid").write_text("5\n")
    (root / "flags/j2.1").write_text("DONE\n12.server\nCODE=0\nREASON=a b=c\n")
    (root / "flags/j1.1").write_text("FAIL\n11\n")
    report = ask(root)
    assert report.states == {"j1": TicketState.WAITING, "j2": TicketState.DONE, "j3": TicketState.SUBMITTED}
    assert report.running_attempts == {("j3", 2)}
    assert report.flags["j2", 1] == ("DONE", "12.server", {"CODE": "0", "REASON": "a b=c"})
    assert report.flags["j1", 1] == ("FAIL", "11", {})


def test_what_is_no_report_is_said_so() -> None:
    with pytest.raises(RemoteUnavailable, match="gave no report"):
        parse_report(b"sh: 0: cannot open agent.sh\n", SITE, LogCursor())
