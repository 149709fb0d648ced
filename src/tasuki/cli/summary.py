"""The command `tasuki summary`."""

from typing import TYPE_CHECKING, Any

from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Remote, open_query_target
from tasuki.cli.shared.output import Table, is_terminal, print_tables, write_json, write_tsv
from tasuki.clock import datetime_from_us

if TYPE_CHECKING:
    from tasuki.records import ProjectOverview

__all__ = ["EXAMPLES", "show_summary", "summary"]

EXAMPLES = """\
tasuki summary
tasuki summary --project digits --json"""


def summary(project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """Show a project's overview: runs by status, the range of each metric, and alerts by level."""
    with open_query_target(dir, project, remote) as asked:
        show_summary(asked, as_json=as_json)


def show_summary(target: QueryTarget, *, as_json: bool) -> None:
    """Print a project at a glance."""
    found = target.query.overview(target.project)
    facts = overview_to_dict(found)
    ranges = [
        {"metric": one.metric, "runs": one.runs, "min": one.min, "min_run": one.min_run, "max": one.max, "max_run": one.max_run}
        for one in found.metrics
    ]
    if as_json:
        write_json("summary/1", {"project": found.project, **facts, "metrics": ranges})
    elif is_terminal():
        shown = [(name, value) for name, value in flatten_counts(facts) if value]
        metrics = Table(["metric", "runs", "min", "of run", "max", "of run"], [list(one.values()) for one in ranges])
        print_tables(Table(["project", found.project], shown), *([metrics] if ranges else []))
    else:
        rows = [["project", found.project], *flatten_counts(facts)]
        for one in ranges:
            name = one.pop("metric")
            rows += [[f"metrics.{name}.{key}", value] for key, value in one.items()]
        write_tsv(Table(["field", "value"], rows))


def overview_to_dict(overview: "ProjectOverview") -> dict[str, Any]:
    """All that is known of a project but its metrics."""
    return {
        "runs": overview.runs,
        "statuses": dict(overview.statuses),
        "points": overview.points,
        "lost": overview.lost,
        "created": None if overview.created is None else datetime_from_us(overview.created),
        "updated": None if overview.updated is None else datetime_from_us(overview.updated),
        "alerts": dict(overview.alerts),
        "notes": overview.notes,
    }


def flatten_counts(facts: dict[str, Any]) -> list[list[Any]]:
    """The facts a line each, counts of several kinds too."""
    rows = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += [[f"{name}.{kind}", count] for kind, count in value.items()]
        else:
            rows.append([name, value])
    return rows
