"""The command `tasuki summary`."""

from typing import TYPE_CHECKING, Any

from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Remote, asking
from tasuki.cli.shared.output import Table, draw, on_terminal, write_json, write_tsv
from tasuki.clock import datetime_from_us

if TYPE_CHECKING:
    from tasuki.records import ProjectOverview

__all__ = ["EXAMPLES", "show_summary", "summary"]

EXAMPLES = """\
tasuki summary
tasuki summary --project digits --json"""


def summary(project: Project = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """Show a project at a glance: how many runs of each status, the range of each metric over all runs, how many alerts."""
    with asking(dir, project, remote) as asked:
        show_summary(asked, as_json=as_json)


def show_summary(asked: QueryTarget, *, as_json: bool) -> None:
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


def project_facts(found: "ProjectOverview") -> dict[str, Any]:
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
