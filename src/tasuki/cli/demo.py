"""`tasuki demo`: tasuki at work on this machine."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.messages import say
from tasuki.cli.shared.options import Dir, settings_for
from tasuki.cli.shared.output import Table, draw, on_terminal, rich_table, write_tsv
from tasuki.clock import SYSTEM, datetime_from_us
from tasuki.errors import MissingRecords

if TYPE_CHECKING:
    from tasuki.client.http_query import HttpQuery
    from tasuki.client.verify_remote import VerifyResult
    from tasuki.demo.check import CheckResult, DemoRunStatus
    from tasuki.demo.run import TrainingProcess
    from tasuki.store import Query

__all__ = ["demo"]

STEPS_PER_SECOND = 300
"""How fast a training goes that is watched."""
LOOK_SECONDS = 0.25


def demo(
    check: Annotated[bool, typer.Option("--check", help="No live table; end after the check.")] = False,
    dir: Dir = None,
) -> None:
    """Record three small trainings, send them to a server, and check that nothing is missing there.

    One of them diverges. On a terminal their progress is shown, here and on the server's page, and the server goes on until
    Ctrl-C. Exits with 6 if a record that the training made is not on the server.
    """
    from tasuki.demo.check import PROJECT, check_ledger, compared, settle, standings
    from tasuki.demo.run import serving, training

    settings = settings_for(dir)
    live = on_terminal() and not check
    pace = STEPS_PER_SECOND if live else None
    with serving(settings.dir / "server") as server:
        say(f"A server keeps what it is sent in {settings.dir / 'server'}. Its page: {server.url}/?project={PROJECT}")
        say(f"A training process learns handwritten digits, three times; it only appends to {settings.journal_root}.")
        with training(settings, remote=server.url, steps_per_second=pace) as process, asking_server(server.url) as query:
            if live:
                watch(query, process)
            process.wait()
            settle(query)
            runs = standings(query, process.group)
            checked = check_ledger(query, process.ledger)
        sent = compared(settings, server.url, [run.id for run in runs])
        (draw if on_terminal() else write_tsv)(table_of(runs))
        tell_checked(checked, sent, server.url)
        tell_next(runs, dir)
        if live:
            say(f"The page: {server.url}/?project={PROJECT} — until Ctrl-C.")
            server.process.wait()


def asking_server(url: str) -> "HttpQuery":
    """The server, as somebody who answers questions."""
    from tasuki.client.http_query import HttpQuery

    return HttpQuery(url)


def watch(query: "Query", training: "TrainingProcess") -> None:
    """Draw the runs as the store has them, until the training ends."""
    from rich.console import Console
    from rich.live import Live

    from tasuki.demo.check import standings

    with Live(console=Console(highlight=False, markup=False), auto_refresh=False, transient=True) as live:
        while training.is_running:
            runs = standings(query, training.group)
            live.update(rich_table(table_of(runs), datetime_from_us(SYSTEM.now_us())), refresh=True)
            SYSTEM.sleep(LOOK_SECONDS)


def table_of(runs: "list[DemoRunStatus]") -> Table:
    """The runs, a line each."""
    columns = ["name", "id", "status", "step", "train/loss", "lowest", "val/acc", "highest"]
    return Table(
        columns,
        [(run.name, run.id, run.status, run.step, run.loss, run.best_loss, run.accuracy, run.best_accuracy) for run in runs],
    )


def tell_checked(checked: "CheckResult", sent: "VerifyResult", url: str) -> None:
    """What the comparisons with the training's own ledger and with its journals gave. MissingRecords if anything is missing."""
    problems = [*checked.problems, *(f"stream {found.writer}: {found.what}" for found in sent.differences)]
    if problems:
        for problem in problems:
            say(problem)
        raise MissingRecords(f"of {checked.records:,} records, not all are on the server as they were made")
    sys.stdout.write(f"checked: {checked.records} records in {checked.runs} runs, all on the server\n")
    say(f"sent and verified: {sent.records:,} records in {sent.streams} streams are on {url}, equal in length and sha256")


def tell_next(runs: "list[DemoRunStatus]", dir: str | None) -> None:
    """What to type next."""
    where = f" --project digits{f' --dir {shlex.quote(dir)}' if dir else ''}"
    best = max(runs, key=lambda run: run.best_accuracy or 0)
    say("Next:")
    for words in ("run list", f"run show {best.id}", f"run history {best.id} --metric val/acc"):
        say(f"  {spoken_name()} {words}{where}")


def spoken_name() -> str:
    """How this command is typed here: it may not be on the PATH."""
    if shutil.which("tasuki"):
        return "tasuki"
    return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "tasuki" else f"{shlex.quote(sys.executable)} -m tasuki"
