"""Queries on projects: the list, an overview, and the check that a project exists."""

from collections import Counter

from tasuki.database.sqlite import one, rows
from tasuki.errors import NotFound
from tasuki.records import AlertLevel, MetricRange, ProjectOverview, ProjectRow, Status
from tasuki.store.queries.attempts import AttemptQueries
from tasuki.store.queries.statements import ALERT_LEVELS, NOTE_COUNT, PROJECT, PROJECTS, RANGES, STATUSES
from tasuki.store.queries.suggestions import there_are

__all__ = ["ProjectQueries"]


class ProjectQueries(AttemptQueries):
    """Queries on projects."""

    def projects(self) -> list[ProjectRow]:
        """Return all projects, by name."""
        return [ProjectRow(name=name, runs=runs, updated=updated) for name, runs, updated in rows(self.db, PROJECTS)]

    def check_project(self, project: str) -> None:
        """Raise NotFound, with the names of similar projects, if a project does not exist."""
        if one(self.db, PROJECT, (project,)) is None:
            names = [row.name for row in self.projects()]
            hint = there_are(project, names) if names else "nothing is recorded yet"
            raise NotFound(f"there is no project {project!r}", hint=hint)

    def overview(self, project: str) -> ProjectOverview:
        """Return the totals of a project: runs by status, points, metric ranges, alerts by level, notes."""
        self.check_project(project)
        found = rows(self.db, STATUSES, (project,))
        statuses = Counter(self.status(*row[:4]) for row in found)
        levels = dict(rows(self.db, ALERT_LEVELS, (project,)))
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
                for metric, runs, low, low_run, high, high_run in rows(self.db, RANGES, (project,))
            ],
            alerts={level: levels.get(level, 0) for level in AlertLevel},
            notes=one(self.db, NOTE_COUNT, (project,))[0],
        )
