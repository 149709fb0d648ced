"""The commands `tasuki run show`, `history`, `output`, and `files`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.run.tables import (
    alert_to_dict,
    build_flat_table,
    build_history_table,
    build_run_tables,
    file_to_dict,
    run_to_dict,
    summary_to_dict,
)
from tasuki.cli.shared.completers import complete_metric
from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Remote, RunArgument, open_query_target
from tasuki.cli.shared.output import Table, is_terminal, print_tables, write_json, write_result, write_text, write_tsv
from tasuki.clock import datetime_from_us
from tasuki.errors import NotFound

if TYPE_CHECKING:
    pass

__all__ = [
    "FILES_EXAMPLES",
    "HISTORY_EXAMPLES",
    "OUTPUT_EXAMPLES",
    "SHOW_EXAMPLES",
    "files_command",
    "history_command",
    "output_command",
    "show_command",
    "show_files",
    "show_history",
    "show_output",
    "show_run",
]

SHOW_EXAMPLES = """\
tasuki run show lr-0.1
tasuki run show m6u9 --json"""
HISTORY_EXAMPLES = """\
tasuki run history lr-0.1
tasuki run history lr-0.1 --metric train/loss | tail"""
OUTPUT_EXAMPLES = """\
tasuki run output solver
tasuki run output m6u9 --name git.diff | git apply --stat"""
FILES_EXAMPLES = """\
tasuki run files lr-0.1
tasuki run files lr-0.1 --json --remote team"""

MAX_TERMINAL_ROWS = 50


def show_command(
    run: RunArgument, project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None
) -> None:
    """Show a run: facts, config, a line per metric, alerts."""
    with open_query_target(dir, project, remote) as asked:
        show_run(asked, run, as_json=as_json)


def show_run(target: QueryTarget, ref: str, *, as_json: bool) -> None:
    """Print one run."""
    run = target.query.run(target.project, ref)
    summaries = target.query.summaries(target.project, runs=[run.id])
    alerts = target.query.alerts(target.project, run.id)
    if as_json:
        metrics = {summary.metric: summary_to_dict(summary) for summary in summaries}
        write_json("run-show/1", {"run": run_to_dict(run), "metrics": metrics, "alerts": [alert_to_dict(row) for row in alerts]})
    elif is_terminal():
        print_tables(*build_run_tables(run, summaries, alerts))
    else:
        write_tsv(build_flat_table(run, summaries, alerts))


def history_command(
    run: RunArgument,
    project: Project = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="NAME", help="Print only this metric.", autocompletion=complete_metric)
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Print what a run logged, a line per call.

    A terminal gets the last 50 lines, a pipe and --json get all.
    """
    with open_query_target(dir, project, remote) as asked:
        show_history(asked, run, metric, as_json=as_json)


def show_history(target: QueryTarget, ref: str, metric: str | None, *, as_json: bool) -> None:
    """Print what a run logged, by step and time."""
    run = target.query.run(target.project, ref)
    calls = target.query.history(target.project, run.id, metric)
    if as_json:
        rows = [{"step": call.step, "time": datetime_from_us(call.time), "metrics": call.metrics} for call in calls]
        write_json("run-history/1", {"project": target.project, "run": run.id, "name": run.name, "rows": rows})
        return
    if not is_terminal():
        write_tsv(build_history_table(calls))
        return
    if len(calls) > MAX_TERMINAL_ROWS:
        print_message(
            f"note: the last {MAX_TERMINAL_ROWS} of {len(calls):,} lines; a pipe gets all: tasuki run history {ref} | less"
        )
    print_tables(build_history_table(calls[-MAX_TERMINAL_ROWS:], started_at=run.created))


def output_command(
    run: RunArgument,
    project: Project = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="stdout, stderr or git.diff (default: the first two).")
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Print a run's texts: output of its program under `tasuki exec`, or its uncommitted changes.

    Of a run that was resumed: of all its attempts, in order.
    """
    with open_query_target(dir, project, remote) as asked:
        show_output(asked, run, name, as_json=as_json)


def show_output(target: QueryTarget, ref: str, name: str | None, *, as_json: bool) -> None:
    """Print the texts of a run. NotFound, saying which it has, where there is none of the name."""
    run = target.query.run(target.project, ref)
    texts = target.query.texts(target.project, run.id)
    chosen = [text for text in texts if text.name in ({name} if name else {"stdout", "stderr"})]
    if name and not chosen:
        names = sorted({text.name for text in texts})
        raise NotFound(f"run {ref!r} has kept no {name!r}", hint=f"there are {', '.join(names)}" if names else None)
    if as_json:
        rows = [{"name": text.name, "time": datetime_from_us(text.time), "text": text.text} for text in chosen]
        write_json("run-output/1", {"project": target.project, "run": run.id, "name": run.name, "texts": rows})
    else:
        write_text("".join(text.text for text in chosen))


def files_command(
    ref: RunArgument, project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None
) -> None:
    """List a run's files, and its logged values that are not numbers."""
    with open_query_target(dir, project, remote) as asked:
        show_files(asked, ref, as_json=as_json)


def show_files(target: QueryTarget, ref: str, *, as_json: bool) -> None:
    """Print a run's files, in the order in which they came."""
    run = target.query.run(target.project, ref)
    files = target.query.files(target.project, run.id)
    columns = ["name", "key", "step", "form", "size", "media_type", "sha256", "caption"]
    table = Table(columns, [[getattr(file, column) for column in columns] for file in files], ["name", "caption"])
    data = {"run": run.id, "files": [file_to_dict(file) for file in files]}
    write_result("run-files/1", data, table, as_json=as_json)
