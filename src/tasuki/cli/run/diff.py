"""`tasuki run diff`: what is different between two runs."""

from typing import TYPE_CHECKING, Any

from tasuki.cli.run.tables import facts_of, number
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Ref, Remote, asking
from tasuki.cli.shared.output import Table, write
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.records import RunRow
    from tasuki.sdk.query.comparison import Comparison

__all__ = ["EXAMPLES", "diff", "show_diff"]

EXAMPLES = """\
tasuki run diff lr-0.1 lr-0.01
tasuki run diff lr-0.1 lr-0.01 --json"""
OF_EVERY_RUN = ("id", "project", "environment", "created", "updated", "ended")
"""Facts in which any two runs differ, and what is shown part by part."""


def diff(one: Ref, other: Ref, project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """Show what is different between two runs: facts, config, environment, and the last value of each metric, with its change."""
    with asking(dir, project, remote) as asked:
        show_diff(asked, one, other, as_json=as_json)


def show_diff(asked: QueryTarget, one: str, other: str, *, as_json: bool) -> None:
    """Print what is different."""
    from tasuki.sdk.query.comparison import compare, differing

    found = compare(asked.query, asked.project, [one, other])
    if len(found.runs) < 2:
        raise ConfigError(f"{one!r} and {other!r} are the same run", hint="name two")
    first, second = found.runs
    parts = [parts_of(run) for run in found.runs]
    values = [metrics_of(found, run) for run in found.runs]
    rows: list[list[Any]] = [[key, parts[0].get(key), parts[1].get(key), None] for key in differing(parts)]
    rows += [[f"metrics.{metric}", *pair_of(values, metric)] for metric in differing(values)]
    columns = ["field", first.id, second.id, "change"]
    fields = [dict(zip(("field", "first", "second", "change"), row, strict=True)) for row in rows]
    data = {
        "project": asked.project,
        "first": {"id": first.id, "name": first.name},
        "second": {"id": second.id, "name": second.name},
        "differences": fields,
    }
    write("run-diff/1", data, Table(columns, rows), as_json=as_json)


def parts_of(run: "RunRow") -> dict[str, Any]:
    """All that is known of a run but its metrics, each part by its path."""
    facts = {key: value for key, value in facts_of(run).items() if key not in OF_EVERY_RUN}
    config = {f"config.{key}": value for key, value in run.config.items()}
    return facts | config | {f"environment.{key}": value for key, value in run.environment.items()}


def metrics_of(found: "Comparison", run: "RunRow") -> dict[str, Any]:
    """The last value of each metric of a run; NaN as None, so that it equals itself."""
    return {metric: summary.last for metric, summary in found.summaries[run.id].items()}


def pair_of(values: list[dict[str, Any]], metric: str) -> list[float | None]:
    """A metric's last value in both, and the second less the first; nothing where one has none."""
    first, second = (number(of_run[metric]) if metric in of_run else None for of_run in values)
    return [first, second, None if first is None or second is None else second - first]
