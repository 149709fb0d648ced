"""`tasuki best`, `compare` and `summary`: one question each to the summaries of metrics."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasuki.cli.run.list import key_metrics, number, run_data, summary_data
from tasuki.cli.shared.completers import complete_metric
from tasuki.cli.shared.messages import say
from tasuki.cli.shared.options import AsJson, Asked, Dir, Metrics, Project, Remote, Runs, asking, split
from tasuki.cli.shared.output import Table, draw, on_terminal, write, write_json, write_tsv
from tasuki.clock import datetime_from_us
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.records import Overview
    from tasuki.sdk.query.comparison import Comparison

__all__ = [
    "BEST_EXAMPLES",
    "COMPARE_EXAMPLES",
    "SUMMARY_EXAMPLES",
    "best",
    "compare",
    "show_best",
    "show_compare",
    "show_summary",
    "summary",
]

BEST_EXAMPLES = """\
tasuki best val/acc --mode max --top 5
tasuki best val/loss --by min --json"""
COMPARE_EXAMPLES = """\
tasuki compare lr-0.1 lr-0.01
tasuki compare lr-0.1 lr-0.01 --metrics train/loss,val/acc"""
SUMMARY_EXAMPLES = """\
tasuki summary
tasuki summary --project digits --json"""
METRICS_ON_TERMINAL = 6
CONFIG_ON_TERMINAL = 6


# -- best


def best(  # noqa: PLR0913 - what is best, and of what
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="Its name.", autocompletion=complete_metric)],
    mode: Annotated[str, typer.Option("--mode", metavar="min|max", help="Whether less is better, or more.")] = "min",
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="So many.")] = 10,
    by: Annotated[
        str, typer.Option("--by", metavar="last|min|max", help="By the last value of each run, its least or its greatest.")
    ] = "last",
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """List the best runs by a metric, the best first. Of equals the one that was created first is first.

    Runs where the value is NaN are none of the best.
    """
    with asking(dir, project, remote) as asked:
        show_best(asked, metric, {"mode": mode, "by": by}, top, as_json=as_json)


def show_best(asked: Asked, metric: str, order: dict[str, str], top: int, *, as_json: bool) -> None:
    """Print the best runs."""
    from tasuki.sdk.query.comparison import best as best_runs
    from tasuki.sdk.query.comparison import top_of

    found = best_runs(asked.query, asked.project, metric, top_of(top, order["mode"], order["by"]))
    rows = [[one.rank, one.run.name, one.run.id, one.run.status, one.value, one.step, one.summary.n] for one in found]
    ranked = [
        {"rank": one.rank, "value": one.value, "step": one.step, "run": run_data(one.run), "summary": summary_data(one.summary)}
        for one in found
    ]
    data = {"project": asked.project, "metric": metric, **order, "best": ranked}
    write("best/1", data, Table(["rank", "name", "id", "status", metric, "step", "n"], rows), as_json=as_json)
    if not found:
        say(f"note: every run that has logged {metric!r} has NaN there")


# -- compare


def compare(
    runs: Runs = None,
    metrics: Metrics = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Show runs side by side: a line per run with the last value of each metric, and of the config what differs.

    A terminal gets the metrics that most of the runs have; name those that you want to see, or use a pipe or `--json`.
    """
    if not runs:
        raise ConfigError("no run is named", hint="tasuki compare RUN RUN ...; tasuki run list shows which there are")
    with asking(dir, project, remote) as asked:
        show_compare(asked, runs, split(metrics), as_json=as_json)


def show_compare(asked: Asked, refs: list[str], metrics: list[str] | None, *, as_json: bool) -> None:
    """Print runs side by side."""
    from tasuki.sdk.query.comparison import compare as side_by_side
    from tasuki.sdk.query.comparison import differing

    found = side_by_side(asked.query, asked.project, refs, metrics)
    keys = differing([run.config for run in found.runs])
    if as_json:
        write_json("compare/1", compare_data(asked.project, found, keys))
    elif on_terminal():
        chosen = metrics or key_metrics(found.summaries.values(), METRICS_ON_TERMINAL)
        if len(chosen) < len(found.metrics):
            say(f"note: {len(chosen)} of {len(found.metrics)} metrics; --metrics NAME,... chooses, a pipe gets all")
        draw(*[table for table in (compare_table(found, chosen, []), config_table(found, keys[:CONFIG_ON_TERMINAL])) if table.rows])
    else:
        write_tsv(compare_table(found, found.metrics, keys))


def compare_data(project: str, found: "Comparison", keys: list[str]) -> dict[str, Any]:
    """A comparison as JSON has it."""
    runs = [
        run_data(run) | {"metrics": {metric: summary_data(one) for metric, one in found.summaries[run.id].items()}}
        for run in found.runs
    ]
    return {"project": project, "metrics": found.metrics, "differing": keys, "runs": runs}


def compare_table(found: "Comparison", metrics: list[str], keys: list[str]) -> Table:
    """A line per run: the last value of each metric, and parts of its config."""
    rows = []
    for run in found.runs:
        summaries = found.summaries[run.id]
        last = [number(summaries[metric].last) if metric in summaries else None for metric in metrics]
        rows.append([run.name, run.id, run.status, *last, *(run.config.get(key) for key in keys)])
    return Table(["name", "id", "status", *metrics, *(f"config.{key}" for key in keys)], rows)


def config_table(found: "Comparison", keys: list[str]) -> Table:
    """A line per run, with what differs in their configs; none if nothing does."""
    rows = [[run.name, run.id, *(run.config.get(key) for key in keys)] for run in found.runs if keys]
    return Table(["name", "id", *(f"config.{key}" for key in keys)], rows)


# -- summary


def summary(project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """Show a project at a glance: how many runs of each status, the range of each metric over all runs, how many alerts."""
    with asking(dir, project, remote) as asked:
        show_summary(asked, as_json=as_json)


def show_summary(asked: Asked, *, as_json: bool) -> None:
    """Print a project at a glance."""
    found = asked.query.overview(asked.project)
    facts = project_facts(found)
    ranges = [
        {"metric": one.metric, "runs": one.runs, "min": one.min, "min_run": one.min_run, "max": one.max, "max_run": one.max_run}
        for one in found.metrics
    ]
    if as_json:
        write_json("summary/1", {"project": found.project, **facts, "metrics": ranges})
    elif on_terminal():
        shown = [(name, value) for name, value in flat(facts) if value]
        metrics = Table(["metric", "runs", "min", "of run", "max", "of run"], [list(one.values()) for one in ranges])
        draw(Table(["project", found.project], shown), *([metrics] if ranges else []))
    else:
        rows = [["project", found.project], *flat(facts)]
        for one in ranges:
            name = one.pop("metric")
            rows += [[f"metrics.{name}.{key}", value] for key, value in one.items()]
        write_tsv(Table(["field", "value"], rows))


def project_facts(found: "Overview") -> dict[str, Any]:
    """All that is known of a project but its metrics."""
    return {
        "runs": found.runs,
        "statuses": dict(found.statuses),
        "points": found.points,
        "lost": found.lost,
        "created": None if found.created is None else datetime_from_us(found.created),
        "updated": None if found.updated is None else datetime_from_us(found.updated),
        "alerts": dict(found.alerts),
        "notes": found.notes,
    }


def flat(facts: dict[str, Any]) -> list[list[Any]]:
    """The facts a line each, counts of several kinds too."""
    rows = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += [[f"{name}.{kind}", count] for kind, count in value.items()]
        else:
            rows.append([name, value])
    return rows
