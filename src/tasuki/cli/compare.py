"""The command `tasuki compare`."""

from typing import TYPE_CHECKING, Any

from tasuki.cli.run.tables import key_metrics, number, run_data, summary_data
from tasuki.cli.shared.messages import say
from tasuki.cli.shared.options import AsJson, Dir, Metrics, Project, QueryTarget, Remote, Runs, asking, split
from tasuki.cli.shared.output import Table, draw, on_terminal, write_json, write_tsv
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.sdk.query.comparison import Comparison

__all__ = ["EXAMPLES", "compare", "show_compare"]

EXAMPLES = """\
tasuki compare lr-0.1 lr-0.01
tasuki compare lr-0.1 lr-0.01 --metrics train/loss,val/acc"""
METRICS_ON_TERMINAL = 6
CONFIG_ON_TERMINAL = 6


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


def show_compare(asked: QueryTarget, refs: list[str], metrics: list[str] | None, *, as_json: bool) -> None:
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
