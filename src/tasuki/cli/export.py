"""The command `tasuki export`: every call of every run as CSV or JSON lines, page by page."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TextIO

import typer

from tasuki.cli.note import note_to_dict
from tasuki.cli.run.tables import alert_to_dict, run_to_dict
from tasuki.cli.shared.formatting import format_iso, to_json_data
from tasuki.cli.shared.options import Dir, Metrics, Project, Remote, RunsArgument, open_query_target, parse_names
from tasuki.cli.shared.output import progress_bar
from tasuki.clock import datetime_from_us
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.records import HistoryRow, RunRow
    from tasuki.store import Query

__all__ = ["EXAMPLES", "export", "write_csv", "write_jsonl"]

EXAMPLES = """\
tasuki export csv --output digits.csv
tasuki export jsonl | gzip > digits.jsonl.gz
tasuki export csv lr-0.1 lr-0.01 --metrics train/loss,val/acc"""
SCHEMA_NAME = "tasuki/export/1"


class ExportSelection(NamedTuple):
    """Runs and metrics to export; None: all."""

    project: str
    runs: Sequence["RunRow"]
    metrics: Sequence[str] | None


def export(  # noqa: PLR0913 - what of which runs, and where to
    form: Annotated[str, typer.Argument(metavar="csv|jsonl", help="csv: metrics only; jsonl: everything about the runs.")],
    runs: RunsArgument = None,
    metrics: Metrics = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Output file; - is stdout.")] = "-",
    project: Project = None,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Export what runs have logged, a line per `log()` call, in full precision.

    csv: the run's id and name, step, time, and a column per metric. jsonl: objects with a `type`: `export`, and for each run `run`,
    its `metrics` by call and each `alert`; at last each `note` of the project. Without names all runs, the oldest first. A file
    appears when it is whole.
    """
    if form not in WRITERS:
        raise ConfigError(f"there is no format {form!r}", hint=f"one of {', '.join(WRITERS)}")
    with open_query_target(dir, project, remote) as asked:
        query = asked.query
        rows = query.runs_by_ref(asked.project, runs) if runs else query.runs(asked.project)
        chosen = ExportSelection(asked.project, rows, parse_names(metrics))
        check_metrics(query, chosen)
        with open_output(output) as out, progress_bar("exporting") as told:
            WRITERS[form](query, chosen, out, told)


def check_metrics(query: "Query", selection: ExportSelection) -> None:
    """Raise NotFound for a metric that no run has."""
    from tasuki.errors import NotFound
    from tasuki.store import suggest_names

    names = list_logged_metrics(query, selection) if selection.metrics else []
    for metric in selection.metrics or ():
        if metric not in names:
            hint = suggest_names(metric, names) if names else "they have logged nothing"
            raise NotFound(f"none of these runs has a metric {metric!r}", hint=hint)


@contextmanager
def open_output(output: str) -> Iterator[TextIO]:
    """Open the output; a file appears under its name when it is complete."""
    if output == "-":
        yield sys.stdout
        return
    path = Path(output)
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def write_csv(query: "Query", selection: ExportSelection, out: TextIO, on_progress: Callable[[int], None]) -> None:
    """Write a header, then a line per call; a metric that was not logged is an empty cell."""
    columns = list(selection.metrics) if selection.metrics is not None else list_logged_metrics(query, selection)
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["run", "name", "step", "time", *columns])
    done = 0
    for run in selection.runs:
        for page in iter_pages(query, selection, run):
            for call in page:
                values = (call.metrics.get(column) for column in columns)
                cells = ("" if value is None else to_json_data(value) for value in values)
                lines.writerow([run.id, run.name, call.step, format_iso(datetime_from_us(call.time)), *cells])
            done += len(page)
            on_progress(done)


def write_jsonl(query: "Query", selection: ExportSelection, out: TextIO, on_progress: Callable[[int], None]) -> None:
    """One JSON object per line."""

    def write_line(kind: str, content: dict[str, Any]) -> None:
        out.write(json.dumps({"type": kind} | to_json_data(content), ensure_ascii=out is sys.stdout, allow_nan=False) + "\n")

    write_line("export", {"schema": SCHEMA_NAME, "project": selection.project})
    done = 0
    for run in selection.runs:
        write_line("run", run_to_dict(run))
        for page in iter_pages(query, selection, run):
            for call in page:
                when = datetime_from_us(call.time)
                write_line("metrics", {"run": run.id, "step": call.step, "time": when, "metrics": call.metrics})
            done += len(page)
            on_progress(done)
    ids = {run.id for run in selection.runs}
    for alert in query.alerts(selection.project):
        if alert.run in ids:
            write_line("alert", {"run": alert.run} | alert_to_dict(alert))
    for note in query.notes(selection.project):
        if not note.run or note.run in ids:
            write_line("note", note_to_dict(note))


WRITERS = {"csv": write_csv, "jsonl": write_jsonl}


def iter_pages(query: "Query", selection: ExportSelection, run: "RunRow") -> Iterator[list["HistoryRow"]]:
    """Yield a run's calls page by page; with chosen metrics, only calls and values of them."""
    for page in query.history_pages(selection.project, run.id):
        yield page if selection.metrics is None else list(select_metrics(page, set(selection.metrics)))


def select_metrics(page: Sequence["HistoryRow"], metrics: set[str]) -> Iterator["HistoryRow"]:
    """Yield the calls that logged a chosen metric, with chosen metrics only."""
    from msgspec.structs import replace

    for call in page:
        if kept := {name: value for name, value in call.metrics.items() if name in metrics}:
            yield replace(call, metrics=kept)


def list_logged_metrics(query: "Query", selection: ExportSelection) -> list[str]:
    """Return the metrics of the runs, sorted."""
    summaries = query.summaries(selection.project, [run.id for run in selection.runs])
    return sorted({summary.metric for summary in summaries})
