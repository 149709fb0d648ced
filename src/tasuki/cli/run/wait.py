"""`tasuki run wait`: until something is true of a run."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Remote, RunArgument, open_query_target
from tasuki.cli.shared.output import Table, write_result
from tasuki.cli.shared.parsing import parse_duration

if TYPE_CHECKING:
    from tasuki.sdk.query.wait import Condition, WaitResult

__all__ = ["EXAMPLES", "wait", "wait_and_print"]

EXAMPLES = """\
tasuki run wait lr-0.1
tasuki run wait lr-0.1 --until 'val/acc>0.97' --timeout 1h
tasuki run wait lr-0.1 --until 'train/loss<=0.3' --stalled 30min"""
EXIT_CONDITION_FALSE = 7


def wait(  # noqa: PLR0913 - whom, which, until when
    run: RunArgument,
    until: Annotated[
        str | None, typer.Option("--until", metavar="CONDITION", help="A metric, one of < <= > >=, a number: 'val/acc>0.97'.")
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="DURATION", help="Wait at most this long: 90s, 10min, 1h (default: no limit)."),
    ] = None,
    stalled: Annotated[
        str, typer.Option("--stalled", metavar="DURATION", help="Give up when the run has logged nothing for this long.")
    ] = "10min",
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Wait until a value that a run logged satisfies a condition; without one, until the run has ended.

    Exits with 0 when that is so, and with 7 when the run has ended otherwise, has stalled (logs nothing while this watches), or
    when the time is over. A server that was reached may be away for a minute meanwhile.
    """
    from tasuki.sdk.query.wait import parse_condition

    condition = None if until is None else parse_condition(until)
    limits = (None if timeout is None else parse_duration(timeout), parse_duration(stalled))
    with open_query_target(dir, project, remote) as asked:
        is_true = wait_and_print(asked, run, condition, limits, as_json=as_json)
    if not is_true:
        raise typer.Exit(EXIT_CONDITION_FALSE)


def wait_and_print(
    target: QueryTarget, ref: str, until: "Condition | None", limits: tuple[timedelta | None, timedelta], *, as_json: bool
) -> bool:
    """Wait, and print what came of it."""
    from tasuki.sdk.query.wait import WaitOutcome
    from tasuki.sdk.query.wait import wait_for_run as wait_for

    timeout, stalled = limits
    found = wait_for(target.query, target.project, ref, until=until, timeout=timeout, stalled_after=stalled)
    data = {
        "project": target.project,
        "run": found.run.id,
        "name": found.run.name,
        "status": found.run.status,
        "until": None if until is None else str(until),
        "outcome": found.outcome.value,
        "value": found.value,
        "step": found.step,
        "seconds": found.seconds,
    }
    row: list[Any] = [data[key] for key in ("run", "name", "status", "until", "outcome", "value", "step")]
    table = Table(["run", "name", "status", "until", "outcome", "value", "step"], [row])
    write_result("run-wait/1", data, table, as_json=as_json)
    if found.outcome is not WaitOutcome.TRUE:
        print_message(describe_outcome(found, until, stalled))
    return found.outcome is WaitOutcome.TRUE


def describe_outcome(result: "WaitResult", until: "Condition | None", stalled: timedelta) -> str:
    """Why the wait was in vain."""
    what = f"{result.run.name} ({result.run.id})"
    wanted = "it has not finished" if until is None else f"{until} was never true"
    match result.outcome.value:
        case "ended":
            why = f": {result.run.reason}" if result.run.reason else ""
            return f"{what} is {result.run.status}{why}; {wanted}"
        case "stalled":
            return f"{what} has stalled: it has logged nothing for {stalled}; {wanted}"
    return f"the time is over; {what} is {result.run.status}, {wanted}"
