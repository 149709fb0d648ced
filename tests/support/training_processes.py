"""Training processes of which the test says what they log and when: `Child(AS_TOLD, remote, who, folder)`."""

from tests.support.acknowledged_calls import acknowledged
from tests.support.processes import Child

__all__ = ["AS_TOLD", "UNTIL_TOLD", "ended", "logged"]

BEGIN = """
import select, sys, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
remote, who, folder = sys.argv[1:]
run = tasuki.init(PROJECT, who, remote=remote or None, dir=folder)
calls = Acknowledging(run, who)
"""
FINISH = """
say("finished", run.finish())
"""
AS_TOLD = f"""{BEGIN}
for line in sys.stdin:
    for n in range(int(line)):
        calls.log()
{FINISH}"""
"""Each line on its standard input is a number of calls to make; at the end it finishes."""
UNTIL_TOLD = f"""{BEGIN}
while not select.select([sys.stdin], [], [], 0.002)[0]:
    calls.log()
{FINISH}"""
"""Logs until there is something on its standard input."""


def logged(child: Child, count: int) -> None:
    """Let it log so many calls, and wait until it has."""
    before = len(acknowledged(child.lines))
    child.tell(str(count))
    child.expect("ack", before + count)


def ended(child: Child, count: int = 0) -> list[str]:
    """Let it log so many more, and finish; returns all that it said."""
    child.tell(str(count))
    assert child.process.stdin is not None
    child.process.stdin.close()
    return list(child.done())
