"""`tasuki run`: what runs there are, one of them, what it logged."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasuki.cli.shared.completers import complete_metric, complete_run_status
from tasuki.cli.shared.messages import say
from tasuki.cli.shared.options import AsJson, Asked, Dir, Examples, Project, Ref, Remote, asking
from tasuki.cli.shared.output import Table, draw, on_terminal, write, write_json, write_text, write_tsv
from tasuki.clock import datetime_from_us
from tasuki.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from tasuki.records import AlertRow, FileRow, HistoryRow, ProgressRow, RunRow, StopRow, Summary

__all__ = [
    "alert_data",
    "app",
    "duration",
    "facts_of",
    "history",
    "key_metrics",
    "list_files",
    "list_runs",
    "number",
    "output",
    "run_data",
    "show",
    "stop",
    "summary_data",
]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List runs, show one, wait for it, change it.")

KEY_METRICS = 3
ROWS_ON_TERMINAL = 50


# -- list


@app.command(
    "list", cls=Examples, epilog="tasuki run list\ntasuki run list --status failed\ntasuki run list --project digits --json"
)
def list_command(
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", metavar="STATUS", help="Only those in this state. May repeat.", autocompletion=complete_run_status
        ),
    ] = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """List a project's runs, the oldest first.

    Among the columns are the last values of up to three metrics: those that most runs have.
    """
    with asking(dir, project, remote) as asked:
        list_runs(asked, status or [], as_json=as_json)


def list_runs(asked: Asked, statuses: list[str], *, as_json: bool) -> None:
    """Print a project's runs, or those in some states, the oldest first."""
    from tasuki.records import Status

    if unknown := set(statuses) - set(Status):
        raise ConfigError(f"there is no status {unknown.pop()!r}", hint=f"one of {', '.join(Status)}")
    runs = [run for run in asked.query.runs(asked.project) if not statuses or run.status in statuses]
    last: dict[str, dict[str, float]] = {run.id: {} for run in runs}
    for summary in asked.query.summaries(asked.project, last if statuses else None):
        if summary.run in last:  # a run may have begun between the two questions
            last[summary.run][summary.metric] = number(summary.last)
    metrics = key_metrics(last.values())
    table = Table(
        ["name", "id", "status", "points", "created", "duration", *metrics],
        [[*list_cells(run), *(last[run.id].get(metric) for metric in metrics)] for run in runs],
    )
    data = {"project": asked.project, "runs": [run_data(run) | {"last": last[run.id]} for run in runs]} if as_json else {}
    write("run-list/1", data, table, as_json=as_json)


def list_cells(run: "RunRow") -> list[Any]:
    """What the list says of a run, but for its metrics."""
    return [run.name, run.id, run.status, run.points, datetime_from_us(run.created), duration(run)]


def key_metrics(runs: "Iterable[Mapping[str, object]]", most: int = KEY_METRICS) -> list[str]:
    """The metrics that most runs have, but for those of the machine; of equals the first by name."""
    from tasuki.records import MACHINE

    counts = Counter(metric for metrics in runs for metric in metrics if not metric.startswith(MACHINE))
    return sorted(counts, key=lambda metric: (-counts[metric], metric))[:most]


# -- show


@app.command("show", cls=Examples, epilog="tasuki run show lr-0.1\ntasuki run show m6u9 --json")
def show_command(run: Ref, project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """Show a run: facts, config, a line per metric, alerts."""
    with asking(dir, project, remote) as asked:
        show(asked, run, as_json=as_json)


def show(asked: Asked, ref: str, *, as_json: bool) -> None:
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


def show_tables(run: "RunRow", summaries: "Sequence[Summary]", alerts: "Sequence[AlertRow]") -> list[Table]:
    """A run, for a person: a table of each thing that it has."""
    facts = facts_of(run)
    facts |= facts.pop("environment")
    metrics = [
        (row.metric, row.n, number(row.last), row.last_step, row.min, row.min_step, row.max, row.max_step) for row in summaries
    ]
    said = [(datetime_from_us(row.time), row.level, row.title, row.step, row.data) for row in alerts]
    tables = [
        Table(["fact", "value"], [fact for fact in facts.items() if fact[1] not in (None, [], "")], ["value"]),
        Table(["config", "value"], list(run.config.items()), ["value"]),
        Table(["metric", "n", "last", "step", "min", "step", "max", "step"], metrics),
        Table(["alert", "level", "title", "step", "data"], said, ["title", "data"]),
    ]
    return [table for table in tables if table.rows]


def flat_table(run: "RunRow", summaries: "Sequence[Summary]", alerts: "Sequence[AlertRow]") -> Table:
    """A run, for a pipe: one field a line."""
    rows = list(facts_of(run).items())
    rows += [(f"config.{key}", value) for key, value in run.config.items()]
    for summary in summaries:
        rows += [(f"metrics.{summary.metric}.{name}", value) for name, value in summary_data(summary).items()]
    for place, alert in enumerate(alerts):
        rows += [(f"alerts.{place}.{name}", value) for name, value in alert_data(alert).items()]
    return Table(["field", "value"], rows)


# -- history


@app.command("history", cls=Examples, epilog="tasuki run history lr-0.1\ntasuki run history lr-0.1 --metric train/loss | tail")
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


def history(asked: Asked, ref: str, metric: str | None, *, as_json: bool) -> None:
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


def history_table(calls: "Sequence[HistoryRow]", began: int | None = None) -> Table:
    """A column per metric, in the order in which they appear; when each call was, or how long after the run began."""
    metrics = list(dict.fromkeys(metric for call in calls for metric in call.metrics))
    if began is None:
        times: list[Any] = [datetime_from_us(call.time) for call in calls]
    else:
        times = [timedelta(microseconds=call.time - began) for call in calls]
    rows = [[call.step, time, *map(call.metrics.get, metrics)] for call, time in zip(calls, times, strict=True)]
    return Table(["step", "time" if began is None else "after", *metrics], rows)


# -- output


@app.command("output", cls=Examples, epilog="tasuki run output solver\ntasuki run output m6u9 --name git.diff | git apply --stat")
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


def output(asked: Asked, ref: str, name: str | None, *, as_json: bool) -> None:
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


# -- stop


@app.command("stop", cls=Examples, epilog="tasuki run stop lr-1.0 --reason diverges\ntasuki run stop m6u9 --remote team")
def stop_command(
    run: Ref,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; `should_stop()` tells it.")] = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Ask a run to stop: its `should_stop()` is true within two seconds.

    The request is on record, and waits for a run whose machine is offline. It is for the run's latest attempt: one that is resumed
    later goes on. The first request stands. Exits with 4 if the run is over.
    """
    from tasuki.sdk.query.api import Api

    with Api(remote, dir=dir) as api:
        stop(api.run(run, api.chosen(project)).stop(reason), as_json=as_json)


def stop(run: "RunRow", *, as_json: bool) -> None:
    """Print a run that was asked to stop."""
    if as_json:
        write_json("run-stop/1", run_data(run))
    elif run.stop is not None:
        when = f"{datetime_from_us(run.stop.time):%Y-%m-%d %H:%M:%S}Z"
        waits = "; it has been silent for a minute, and the request waits for it" if run.status.is_final else ""
        say(f"asked: {run.name} ({run.id}), by {run.stop.by or 'somebody'} at {when}{waits}")


# -- files


@app.command("files", cls=Examples, epilog="tasuki run files lr-0.1\ntasuki run files lr-0.1 --json --remote team")
def files_command(ref: Ref, project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """List a run's files, and the values that were logged and are no numbers."""
    with asking(dir, project, remote) as asked:
        list_files(asked, ref, as_json=as_json)


def list_files(asked: Asked, ref: str, *, as_json: bool) -> None:
    """Print a run's files, in the order in which they came."""
    run = asked.query.run(asked.project, ref)
    files = asked.query.files(asked.project, run.id)
    columns = ["name", "key", "step", "form", "size", "media_type", "sha256", "caption"]
    table = Table(columns, [[getattr(file, column) for column in columns] for file in files], ["name", "caption"])
    data = {"run": run.id, "files": [file_data(file) for file in files]}
    write("run-files/1", data, table, as_json=as_json)


# -- rows as data


def run_data(run: "RunRow") -> dict[str, Any]:
    """A run as JSON has it."""
    return facts_of(run) | {"config": run.config}


def facts_of(run: "RunRow") -> dict[str, Any]:
    """All that is known of a run but its config."""
    return {
        "id": run.id,
        "name": run.name,
        "project": run.project,
        "status": run.status,
        "reason": run.reason,
        "group": run.group,
        "tags": run.tags,
        "notes": run.notes,
        "attempt": run.attempt,
        "created": datetime_from_us(run.created),
        "updated": datetime_from_us(run.updated),
        "ended": None if run.ended is None else datetime_from_us(run.ended),
        "duration": duration(run),
        "points": run.points,
        "lost": run.lost,
        "environment": run.environment,
        "stop": stop_data(run.stop),
        "progress": progress_data(run.progress),
    }


def stop_data(stop: "StopRow | None") -> dict[str, Any] | None:
    """A request to stop as JSON has it."""
    return None if stop is None else {"asked": datetime_from_us(stop.time), "reason": stop.reason, "by": stop.by}


def progress_data(progress: "ProgressRow | None") -> dict[str, Any] | None:
    """How far a run had come as JSON has it."""
    if progress is None:
        return None
    facts = {"time": datetime_from_us(progress.time), "done": progress.done, "total": progress.total, "rate": progress.rate}
    return facts | {"left": None if progress.left is None else timedelta(seconds=progress.left)}


def summary_data(summary: "Summary") -> dict[str, Any]:
    """A metric's summary as JSON has it."""
    return {
        "n": summary.n,
        "first": number(summary.first),
        "first_step": summary.first_step,
        "last": number(summary.last),
        "last_step": summary.last_step,
        "last_time": datetime_from_us(summary.last_time),
        "min": summary.min,
        "min_step": summary.min_step,
        "max": summary.max,
        "max_step": summary.max_step,
    }


def alert_data(alert: "AlertRow") -> dict[str, Any]:
    """An alert as JSON has it."""
    return {
        "id": alert.id,
        "time": datetime_from_us(alert.time),
        "level": alert.level,
        "title": alert.title,
        "text": alert.text,
        "reason": alert.reason,
        "metric": alert.metric,
        "value": alert.value,
        "step": alert.step,
        "data": alert.data,
    }


def file_data(file: "FileRow") -> dict[str, Any]:
    """A file as JSON has it."""
    return {
        "id": file.id,
        "time": datetime_from_us(file.time),
        "name": file.name,
        "key": file.key,
        "step": file.step,
        "form": file.form,
        "caption": file.caption,
        "sha256": file.sha256,
        "size": file.size,
        "media_type": file.media_type,
    }


def number(value: float | None) -> float:
    """A summary's first or last value: NaN is kept as None there."""
    return float("nan") if value is None else value


def duration(run: "RunRow") -> timedelta:
    """How long the run has been recording, to its end or its latest record."""
    return timedelta(microseconds=(run.ended or run.updated) - run.created)
