"""The commands `tasuki run show`, `history`, `output`, and `files`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.run.tables import (
    alert_data,
    file_data,
    flat_table,
    history_table,
    run_data,
    show_tables,
    summary_data,
)
from tasuki.cli.shared.completers import complete_metric
from tasuki.cli.shared.messages import say
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Ref, Remote, asking
from tasuki.cli.shared.output import Table, draw, on_terminal, write, write_json, write_text, write_tsv
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
    "history",
    "history_command",
    "list_files",
    "output",
    "output_command",
    "show",
    "show_command",
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

ROWS_ON_TERMINAL = 50


def show_command(run: Ref, project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """Show a run: facts, config, a line per metric, alerts."""
    with asking(dir, project, remote) as asked:
        show(asked, run, as_json=as_json)


def show(asked: QueryTarget, ref: str, *, as_json: bool) -> None:
    """Print one run."""
    run = asked.query.run(asked.project, ref)
    summaries = asked.query.summaries(asked.project, runs=[run.id])
    alerts = asked.query.alerts(asked.project, run.id)
    if as_json:
        metrics = {summary.metric: summary_data(summary) for summary in summaries}
        write_json("run-show/1", {"run": run_data(run), "metrics": metrics, "alerts": [alert_data(row) for row in alerts]})
    elif on_terminal():
        draw(*show_tables(run, summaries, alerts))
    else:
        write_tsv(flat_table(run, summaries, alerts))


def history_command(
    run: Ref,
    project: Project = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="NAME", help="Only this metric.", autocompletion=complete_metric)
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Print what a run logged, a line per call.

    A terminal gets the last 50 lines, a pipe and --json get all.
    """
    with asking(dir, project, remote) as asked:
        history(asked, run, metric, as_json=as_json)


def history(asked: QueryTarget, ref: str, metric: str | None, *, as_json: bool) -> None:
    """Print what a run logged, by step and time."""
    run = asked.query.run(asked.project, ref)
    calls = asked.query.history(asked.project, run.id, metric)
    if as_json:
        rows = [{"step": call.step, "time": datetime_from_us(call.time), "metrics": call.metrics} for call in calls]
        write_json("run-history/1", {"project": asked.project, "run": run.id, "name": run.name, "rows": rows})
        return
    if not on_terminal():
        write_tsv(history_table(calls))
        return
    if len(calls) > ROWS_ON_TERMINAL:
        say(f"note: the last {ROWS_ON_TERMINAL} of {len(calls):,} lines; a pipe gets all: tasuki run history {ref} | less")
    draw(history_table(calls[-ROWS_ON_TERMINAL:], began=run.created))


def output_command(
    run: Ref,
    project: Project = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="stdout, stderr or git.diff; else the first two.")
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Print what a run has kept as text: what its program printed under `tasuki exec`, or its uncommitted changes.

    Of a run that was resumed: of all its attempts, in order.
    """
    with asking(dir, project, remote) as asked:
        output(asked, run, name, as_json=as_json)


def output(asked: QueryTarget, ref: str, name: str | None, *, as_json: bool) -> None:
    """Print the texts of a run. NotFound, saying which it has, where there is none of the name."""
    run = asked.query.run(asked.project, ref)
    texts = asked.query.texts(asked.project, run.id)
    chosen = [text for text in texts if text.name in ({name} if name else {"stdout", "stderr"})]
    if name and not chosen:
        names = sorted({text.name for text in texts})
        raise NotFound(f"run {ref!r} has kept no {name!r}", hint=f"there are {', '.join(names)}" if names else None)
    if as_json:
        rows = [{"name": text.name, "time": datetime_from_us(text.time), "text": text.text} for text in chosen]
        write_json("run-output/1", {"project": asked.project, "run": run.id, "name": run.name, "texts": rows})
    else:
        write_text("".join(text.text for text in chosen))


def files_command(ref: Ref, project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """List a run's files, and the values that were logged and are no numbers."""
    with asking(dir, project, remote) as asked:
        list_files(asked, ref, as_json=as_json)


def list_files(asked: QueryTarget, ref: str, *, as_json: bool) -> None:
    """Print a run's files, in the order in which they came."""
    run = asked.query.run(asked.project, ref)
    files = asked.query.files(asked.project, run.id)
    columns = ["name", "key", "step", "form", "size", "media_type", "sha256", "caption"]
    table = Table(columns, [[getattr(file, column) for column in columns] for file in files], ["name", "caption"])
    data = {"run": run.id, "files": [file_data(file) for file in files]}
    write("run-files/1", data, table, as_json=as_json)
