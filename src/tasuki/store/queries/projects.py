"""Queries on projects: the list, an overview, and the check that a project exists."""

from collections import Counter

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.errors import NotFound
from tasuki.records import AlertLevel, MetricRange, ProjectOverview, ProjectRow, Status
from tasuki.store.queries.attempts import AttemptQueries
from tasuki.store.queries.statements import ALERT_LEVELS, METRIC_RANGES, NOTE_COUNT, PROJECT_EXISTS, PROJECTS, RUN_STATUSES
from tasuki.store.queries.suggestions import suggest_names

__all__ = ["ProjectQueries"]


class ProjectQueries(AttemptQueries):
    """Queries on projects."""

    def projects(self) -> list[ProjectRow]:
        """Return all projects, by name."""
        return [ProjectRow(name=name, runs=runs, updated=updated) for name, runs, updated in fetch_all(self.db, PROJECTS)]

    def check_project(self, project: str) -> None:
        """Raise NotFound, with the names of similar projects, if a project does not exist."""
        if fetch_one(self.db, PROJECT_EXISTS, (project,)) is None:
            names = [row.name for row in self.projects()]
            hint = suggest_names(project, names) if names else "nothing is recorded yet"
            raise NotFound(f"there is no project {project!r}", hint=hint)

    def overview(self, project: str) -> ProjectOverview:
        """Return the totals of a project: runs by status, points, metric ranges, alerts by level, notes."""
        self.check_project(project)
        found = fetch_all(self.db, RUN_STATUSES, (project,))
        statuses = Counter(self.status(*row[:4]) for row in found)
        levels = dict(fetch_all(self.db, ALERT_LEVELS, (project,)))
        return ProjectOverview(
            project=project,
            runs=len(found),
            statuses={status: statuses[status] for status in Status},
            points=sum(row[4] for row in found),
            lost=sum(row[5] for row in found),
            created=min((row[6] for row in found if row[6] is not None), default=None),
            updated=max((row[7] for row in found if row[7] is not None), default=None),
            metrics=[
                MetricRange(metric=metric, runs=runs, min=low, min_run=low_run, max=high, max_run=high_run)
                for metric, runs, low, low_run, high, high_run in fetch_all(self.db, METRIC_RANGES, (project,))
            ],
            alerts={level: levels.get(level, 0) for level in AlertLevel},
            notes=fetch_one(self.db, NOTE_COUNT, (project,))[0],
        )
