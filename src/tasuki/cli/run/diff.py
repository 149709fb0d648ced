"""`tasuki run diff`: what is different between two runs."""

from typing import TYPE_CHECKING, Any

from tasuki.cli.run.tables import nan_if_none, run_facts_to_dict
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Remote, RunArgument, open_query_target
from tasuki.cli.shared.output import Table, write_result
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.records import RunRow
    from tasuki.sdk.query.comparison import Comparison

__all__ = ["EXAMPLES", "diff", "show_diff"]

EXAMPLES = """\
tasuki run diff lr-0.1 lr-0.01
tasuki run diff lr-0.1 lr-0.01 --json"""
ALWAYS_DIFFERENT = ("id", "project", "environment", "created", "updated", "ended")
"""Facts in which any two runs differ, and what is shown part by part."""


def diff(
    one: RunArgument, other: RunArgument, project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None
) -> None:
    """Show what is different between two runs.

    Facts, config, environment, and the last value of each metric, with its change.
    """
    with open_query_target(dir, project, remote) as asked:
        show_diff(asked, one, other, as_json=as_json)


def show_diff(target: QueryTarget, one: str, other: str, *, as_json: bool) -> None:
    """Print what is different."""
    from tasuki.sdk.query.comparison import build_comparison, find_differing_keys

    found = build_comparison(target.query, target.project, [one, other])
    if len(found.runs) < 2:
        raise ConfigError(f"{one!r} and {other!r} are the same run", hint="name two")
    first, second = found.runs
    parts = [flatten_run(run) for run in found.runs]
    values = [collect_last_values(found, run) for run in found.runs]
    rows: list[list[Any]] = [[key, parts[0].get(key), parts[1].get(key), None] for key in find_differing_keys(parts)]
    rows += [[f"metrics.{metric}", *compute_change(values, metric)] for metric in find_differing_keys(values)]
    columns = ["field", first.id, second.id, "change"]
    fields = [dict(zip(("field", "first", "second", "change"), row, strict=True)) for row in rows]
    data = {
        "project": target.project,
        "first": {"id": first.id, "name": first.name},
        "second": {"id": second.id, "name": second.name},
        "differences": fields,
    }
    write_result("run-diff/1", data, Table(columns, rows), as_json=as_json)


def flatten_run(run: "RunRow") -> dict[str, Any]:
    """All that is known of a run but its metrics, each part by its path."""
    facts = {key: value for key, value in run_facts_to_dict(run).items() if key not in ALWAYS_DIFFERENT}
    config = {f"config.{key}": value for key, value in run.config.items()}
    return facts | config | {f"environment.{key}": value for key, value in run.environment.items()}


def collect_last_values(comparison: "Comparison", run: "RunRow") -> dict[str, Any]:
    """The last value of each metric of a run; NaN as None, so that it equals itself."""
    return {metric: summary.last for metric, summary in comparison.summaries[run.id].items()}


def compute_change(values: list[dict[str, Any]], metric: str) -> list[float | None]:
    """A metric's last value in both, and the second less the first; nothing where one has none."""
    first, second = (nan_if_none(of_run[metric]) if metric in of_run else None for of_run in values)
    return [first, second, None if first is None or second is None else second - first]
