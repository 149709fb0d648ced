"""The command `tasuki compare`."""

from typing import TYPE_CHECKING, Any

from tasuki.cli.run.tables import nan_if_none, run_to_dict, select_key_metrics, summary_to_dict
from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import (
    AsJson,
    Dir,
    Metrics,
    Project,
    QueryTarget,
    Remote,
    RunsArgument,
    open_query_target,
    parse_names,
)
from tasuki.cli.shared.output import Table, is_terminal, print_tables, write_json, write_tsv
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.sdk.query.comparison import Comparison

__all__ = ["EXAMPLES", "compare", "show_comparison"]

EXAMPLES = """\
tasuki compare lr-0.1 lr-0.01
tasuki compare lr-0.1 lr-0.01 --metrics train/loss,val/acc"""
MAX_TERMINAL_METRICS = 6
MAX_TERMINAL_CONFIG_KEYS = 6


def compare(
    runs: RunsArgument = None,
    metrics: Metrics = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Compare runs: a line per run with the last value of each metric, and config keys that differ.

    A terminal gets the metrics that most of the runs have; name those that you want to see, or use a pipe or `--json`.
    """
    if not runs:
        raise ConfigError("no run is named", hint="tasuki compare RUN RUN ...; tasuki run list shows which there are")
    with open_query_target(dir, project, remote) as asked:
        show_comparison(asked, runs, parse_names(metrics), as_json=as_json)


def show_comparison(target: QueryTarget, refs: list[str], metrics: list[str] | None, *, as_json: bool) -> None:
    """Print runs side by side."""
    from tasuki.sdk.query.comparison import build_comparison as side_by_side
    from tasuki.sdk.query.comparison import find_differing_keys

    found = side_by_side(target.query, target.project, refs, metrics)
    keys = find_differing_keys([run.config for run in found.runs])
    if as_json:
        write_json("compare/1", comparison_to_dict(target.project, found, keys))
    elif is_terminal():
        chosen = metrics or select_key_metrics(found.summaries.values(), MAX_TERMINAL_METRICS)
        if len(chosen) < len(found.metrics):
            print_message(f"note: {len(chosen)} of {len(found.metrics)} metrics; --metrics NAME,... chooses, a pipe gets all")
        print_tables(
            *[
                table
                for table in (build_comparison_table(found, chosen, []), build_config_table(found, keys[:MAX_TERMINAL_CONFIG_KEYS]))
                if table.rows
            ]
        )
    else:
        write_tsv(build_comparison_table(found, found.metrics, keys))


def comparison_to_dict(project: str, comparison: "Comparison", keys: list[str]) -> dict[str, Any]:
    """Return a comparison for JSON."""
    runs = [
        run_to_dict(run) | {"metrics": {metric: summary_to_dict(one) for metric, one in comparison.summaries[run.id].items()}}
        for run in comparison.runs
    ]
    return {"project": project, "metrics": comparison.metrics, "differing": keys, "runs": runs}


def build_comparison_table(comparison: "Comparison", metrics: list[str], keys: list[str]) -> Table:
    """Build a table with a line per run: the last value of each metric, and some config keys."""
    rows = []
    for run in comparison.runs:
        summaries = comparison.summaries[run.id]
        last = [nan_if_none(summaries[metric].last) if metric in summaries else None for metric in metrics]
        rows.append([run.name, run.id, run.status, *last, *(run.config.get(key) for key in keys)])
    return Table(["name", "id", "status", *metrics, *(f"config.{key}" for key in keys)], rows)


def build_config_table(comparison: "Comparison", keys: list[str]) -> Table:
    """Build a table of the config keys that differ; empty if none does."""
    rows = [[run.name, run.id, *(run.config.get(key) for key in keys)] for run in comparison.runs if keys]
    return Table(["name", "id", *(f"config.{key}" for key in keys)], rows)
