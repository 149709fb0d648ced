"""The command `tasuki demo`."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import Dir, load_command_settings
from tasuki.cli.shared.output import Table, build_rich_table, is_terminal, print_tables, write_tsv
from tasuki.clock import SYSTEM_CLOCK, datetime_from_us
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
REFRESH_SECONDS = 0.25


def demo(
    check: Annotated[bool, typer.Option("--check", help="Show no live table, and exit after the check.")] = False,
    dir: Dir = None,
) -> None:
    """Record three small trainings, send them to a server, and check that nothing is missing there.

    One of them diverges. On a terminal their progress is shown, here and on the server's page, and the server goes on until
    Ctrl-C. Exits with 6 if a record that the training made is not on the server.
    """
    from tasuki.demo.check import PROJECT, check_call_log, compare_streams, list_run_statuses, wait_for_projection
    from tasuki.demo.run import run_server, run_training

    settings = load_command_settings(dir)
    live = is_terminal() and not check
    pace = STEPS_PER_SECOND if live else None
    with run_server(settings.dir / "server") as server:
        print_message(f"A server keeps what it is sent in {settings.dir / 'server'}. Its page: {server.url}/?project={PROJECT}")
        print_message(f"A training process learns handwritten digits, three times; it only appends to {settings.journal_root}.")
        with run_training(settings, remote=server.url, steps_per_second=pace) as process, open_server_query(server.url) as query:
            if live:
                show_live_table(query, process)
            process.wait()
            wait_for_projection(query)
            runs = list_run_statuses(query, process.group)
            checked = check_call_log(query, process.call_log)
        sent = compare_streams(settings, server.url, [run.id for run in runs])
        (print_tables if is_terminal() else write_tsv)(build_table(runs))
        report_check(checked, sent, server.url)
        print_next_steps(runs, dir)
        if live:
            print_message(f"The page: {server.url}/?project={PROJECT} — until Ctrl-C.")
            server.process.wait()


def open_server_query(url: str) -> "HttpQuery":
    """Open queries on the server."""
    from tasuki.client.http_query import HttpQuery

    return HttpQuery(url)


def show_live_table(query: "Query", training: "TrainingProcess") -> None:
    """Draw the runs until the training ends."""
    from rich.console import Console
    from rich.live import Live

    from tasuki.demo.check import list_run_statuses

    with Live(console=Console(highlight=False, markup=False), auto_refresh=False, transient=True) as live:
        while training.is_running:
            runs = list_run_statuses(query, training.group)
            live.update(build_rich_table(build_table(runs), datetime_from_us(SYSTEM_CLOCK.now_us())), refresh=True)
            SYSTEM_CLOCK.sleep(REFRESH_SECONDS)


def build_table(runs: "list[DemoRunStatus]") -> Table:
    """Build a table with a line per run."""
    columns = ["name", "id", "status", "step", "train/loss", "lowest", "val/acc", "highest"]
    return Table(
        columns,
        [(run.name, run.id, run.status, run.step, run.loss, run.best_loss, run.accuracy, run.best_accuracy) for run in runs],
    )


def report_check(check_result: "CheckResult", verify_result: "VerifyResult", url: str) -> None:
    """Report the comparison with call log and journals. Raise MissingRecords if anything is missing.

    MissingRecords if anything is missing.
    """
    problems = [*check_result.problems, *(f"stream {found.writer}: {found.description}" for found in verify_result.differences)]
    if problems:
        for problem in problems:
            print_message(problem)
        raise MissingRecords(f"of {check_result.records:,} records, not all are on the server as they were made")
    sys.stdout.write(f"checked: {check_result.records} records in {check_result.runs} runs, all on the server\n")
    print_message(
        f"sent and verified: {verify_result.records:,} records in {verify_result.streams} streams are on {url}, "
        "equal in length and sha256"
    )


def print_next_steps(runs: "list[DemoRunStatus]", dir: str | None) -> None:
    """Print commands to try next."""
    where = f" --project digits{f' --dir {shlex.quote(dir)}' if dir else ''}"
    best = max(runs, key=lambda run: run.best_accuracy or 0)
    print_message("Next:")
    for words in ("run list", f"run show {best.id}", f"run history {best.id} --metric val/acc"):
        print_message(f"  {get_command_name()} {words}{where}")


def get_command_name() -> str:
    """Return the command as it is typed here: it may not be on the PATH."""
    if shutil.which("tasuki"):
        return "tasuki"
    return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "tasuki" else f"{shlex.quote(sys.executable)} -m tasuki"
