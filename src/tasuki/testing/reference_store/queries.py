"""Queries of the reference store: every answer is computed in plain Python from all records."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from tasuki.errors import NotFound
from tasuki.records import (
    Alert,
    AlertLevel,
    AlertRow,
    FileRow,
    HistoryRow,
    MetricRange,
    MetricSummary,
    NoteKind,
    NoteRow,
    ProgressRow,
    ProjectOverview,
    ProjectRow,
    RunRow,
    Status,
    StopRow,
    TextRow,
    extract_search_text,
)
from tasuki.store import BestRuns, Series
from tasuki.testing.reference_store.received_streams import ReceivedStreams
from tasuki.testing.reference_store.run_facts import RunFacts

__all__ = ["ReferenceQueries"]


class ReferenceQueries(ReceivedStreams):
    """`Query` on received streams."""

    missing = 0

    # -- a Query

    def projects(self) -> list[ProjectRow]:
        """Return all projects, by name."""
        found: dict[str, list[tuple[int, int]]] = {}
        for (project, run), dumped in self.dump().items():
            rows = [(1, dumped["row"][6] or 0)] if "row" in dumped else []
            rows += [(0, clock) for _, _, clock, *_ in dumped["notes"] + ([] if run else dumped["files"])]
            if rows:
                found.setdefault(project, []).extend(rows)
        return [
            ProjectRow(name=name, runs=sum(runs for runs, _ in rows), updated=max(updated for _, updated in rows))
            for name, rows in sorted(found.items())
        ]

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """Return the runs of a project, or the first `limit` of them, by creation time or newest first."""
        found = [
            self.build_run_row(project, run, dumped)
            for (name, run), dumped in self.dump().items()
            if name == project and "row" in dumped
        ]
        if project not in {row.name for row in self.projects()}:
            raise NotFound(f"there is no project {project!r}", hint=f"there are {', '.join(row.name for row in self.projects())}")
        return sorted(found, key=lambda row: (row.created, row.id), reverse=newest_first)[:limit]

    def build_run_row(self, project: str, run: str, run_dump: dict[str, Any]) -> RunRow:
        """Build a run from its dump."""
        name, group, notes, tags, config, created, updated, points, lost = run_dump["row"]
        attempts = sorted((row for row in run_dump["attempts"] if row[1] is not None), key=lambda row: (row[1], row[2]))
        attempt = (attempts or run_dump["attempts"] or [None])[-1]
        id = attempt[0] if attempt else None
        status, reason, ended, environment = Status.RUNNING, None, None, "{}"
        if attempt:
            environment, reason, ended = attempt[3] or "{}", attempt[5], attempt[6]
            writers = [writer for known, writer in run_dump["attempt_writers"] if known == attempt[0]]
            over = all(self.received[writer].is_sealed for writer in writers)
            status = Status(attempt[4]) if attempt[4] else Status.CRASHED if over else Status.RUNNING
        return RunRow(
            project=project,
            id=run,
            name=name or run,
            status=status,
            group=group,
            notes=notes,
            tags=json.loads(tags or "[]"),
            config=json.loads(config or "{}"),
            environment=json.loads(environment),
            attempt=max(1, len(attempts)),
            reason=reason,
            created=created or updated or 0,
            updated=updated or 0,
            ended=ended,
            points=points,
            lost=lost,
            attempt_id=id,
            stop=next((StopRow(time=time, reason=why, by=by) for key, why, by, time, _ in run_dump["stops"] if key == id), None),
            progress=next(
                (
                    ProgressRow(time=time, done=done, total=total, rate=rate)
                    for key, done, total, rate, time, _ in run_dump["progress"]
                    if key == id
                ),
                None,
            ),
        )

    def run(self, project: str, ref: str) -> RunRow:
        """Return one run, by id, by name or by a prefix of its id."""
        rows = self.runs(project)
        by_id, by_name = [row for row in rows if row.id == ref], [row for row in rows if row.name == ref]
        found = by_id or by_name or [row for row in rows if ref and row.id.startswith(ref)]
        if len(found) == 1:
            return found[0]
        raise NotFound(f"{ref!r} is no run of {project!r}, or several", hint=", ".join(row.id for row in found or rows))

    def runs_by_ref(self, project: str, refs: Sequence[str]) -> list[RunRow]:
        """Return several runs, in the order of `refs`."""
        return [self.run(project, ref) for ref in refs]

    def overview(self, project: str) -> ProjectOverview:
        """Return the totals of a project: runs by status, points, metric ranges, alerts by level, notes."""
        runs = self.runs(project)
        summaries = self.summaries(project)
        alerts = Counter(alert.level for alert in self.alerts(project))
        statuses = Counter(row.status for row in runs)
        return ProjectOverview(
            project=project,
            runs=len(runs),
            statuses={status: statuses[status] for status in Status},
            points=sum(row.points for row in runs),
            lost=sum(row.lost for row in runs),
            created=min((row.created for row in runs), default=None),
            updated=max((row.updated for row in runs), default=None),
            metrics=[
                build_metric_range([row for row in summaries if row.metric == name])
                for name in sorted({row.metric for row in summaries})
            ],
            alerts={level: alerts[level] for level in AlertLevel},
            notes=len({note.event_id for note in self.notes(project)}),
        )

    def summaries(
        self,
        project: str,
        runs: Collection[str] | None = None,
        metrics: Collection[str] | None = None,
        *,
        top: BestRuns | None = None,
    ) -> list[MetricSummary]:
        """Return the summaries by run and metric; with `top`, only those of the best runs, best first."""
        found = []
        for row in self.runs(project) if project in {p.name for p in self.projects()} else []:
            for summary in self.dump_run(project, row.id)["summaries"]:
                name, n, first, first_step, _, _, last, last_step, last_clock, _, low, low_step, _, _, high, high_step, _, _ = (
                    summary
                )
                if (runs is None or row.id in runs) and (metrics is None or name in metrics):
                    found.append(MetricSummary(
                        run=row.id, metric=name, n=n, first=first, first_step=first_step, last=last, last_step=last_step,
                        last_time=last_clock, min=low, min_step=low_step, max=high, max_step=high_step,
                    ))  # fmt: skip
        if top is not None:
            there = [row for row in found if getattr(row, top.by) is not None]
            found = sorted(there, key=lambda row: getattr(row, top.by), reverse=top.mode == "max")[: top.n]
        return found

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """Return the logged values of a run, by (step, time)."""
        calls = RunFacts(self.records(project, self.run(project, run).id)).calls()
        rows = [
            HistoryRow(step=step, time=time, metrics={name: v for name, v in values.items() if metric in (None, name)})
            for (step, _, _), time, values in calls
        ]
        found = [row for row in rows if row.metrics]
        if not found and metric is not None:
            names = sorted({name for _, _, values in calls for name in values})
            raise NotFound(f"run {run!r} has no metric {metric!r}", hint=f"there are {', '.join(names)}")
        return found

    def series(self, project: str, run: str, metric: str) -> Series:
        """Return the points of one metric."""
        rows = self.history(project, run, metric)
        return Series(
            np.array([row.step for row in rows], np.int64),
            np.array([row.time for row in rows], np.int64),
            np.array([row.metrics[metric] for row in rows], np.float64),
        )

    def history_pages(self, project: str, run: str, metric: str | None = None) -> Iterator[list[HistoryRow]]:
        """Yield the history in pages of one row."""
        for row in self.history(project, run, metric):
            yield [row]

    def alerts(
        self,
        project: str,
        run: str | None = None,
        *,
        since: int | str | None = None,
        reason: str | None = None,
        level: AlertLevel | None = None,
    ) -> list[AlertRow]:
        """Return the alerts of a project or of one run, by time, as if all had arrived at once."""
        found = []
        for row in self.runs(project):
            for writer, offset, clock, record in self.records(project, row.id):
                if isinstance(record, Alert):
                    data = None if record.data is None else dict(record.data)
                    found.append((clock, writer, offset, AlertRow(
                        id=f"{writer}:{offset}", project=project, run=row.id, run_name=row.name, time=record.time,
                        level=record.level, title=record.title, text=record.text, reason=record.reason, metric=record.metric,
                        value=record.value, step=record.step, data=data,
                    )))  # fmt: skip
        alerts = [alert for *_, alert in sorted(found, key=lambda row: row[:3])]
        if isinstance(since, str):
            ids = [alert.id for alert in alerts]
            if since not in ids:
                raise NotFound(f"project {project!r} has no alert {since!r}")
            alerts = alerts[ids.index(since) + 1 :]
        return [
            alert
            for alert in alerts
            if run in (None, alert.run)
            and (not isinstance(since, int) or alert.time > since)
            and reason in (None, alert.reason)
            and (level is None or alert.level in level.this_and_higher)
        ]

    def texts(self, project: str, run: str, name: str | None = None) -> list[TextRow]:
        """Return the texts of a run."""
        dumped = self.dump_run(project, self.run(project, run).id)
        return [
            TextRow(attempt=attempt, name=kept, time=time, text=text)
            for writer, offset, time, attempt, kept, text in sorted(dumped["texts"], key=lambda row: (row[2], row[0], row[1]))
            if name in (None, kept)
        ]

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """Return a project's notes by time, without duplicates; mark conflicts with earlier notes."""
        self.runs(project)
        placed = sorted(
            (clock, writer, offset, run, *row)
            for (name, run), dumped in self.dump().items()
            if name == project
            for writer, offset, clock, *row in dumped["notes"]
        )
        seen: dict[str, list[str]] = {}
        found = []
        for _, writer, offset, run, time, tag, event_id, digest, session, category, text, content in placed:
            digests = seen.setdefault(event_id, [])
            if digest not in digests:
                digests.append(digest)
                found.append(NoteRow(
                    id=f"{writer}:{offset}", event_id=event_id, project=project, run=run, kind=NoteKind(tag), time=time,
                    session=session, category=category, text=text, content=json.loads(content), conflict=len(digests) > 1,
                ))  # fmt: skip
        return [
            row
            for row in found
            if kind in (None, row.kind)
            and (since is None or row.time > since)
            and (not search or search.casefold() in extract_search_text(row.content))
        ]

    def files(self, project: str, run: str | None = None) -> list[FileRow]:
        """Return the files of a project or of one run, in order of arrival."""
        names = {row.id: row.name for row in self.runs(project)}
        told: dict[str, list[tuple[Any, ...]]] = {}
        for clock, writer, offset, name, said in sorted(
            (clock, writer, offset, name, said)
            for (of, name), dumped in self.dump().items()
            if of == project and run in (None, name)
            for writer, offset, clock, *said in dumped["files"]
        ):
            place = f"{writer}:{offset}"
            told.setdefault(f"{name}/{said[1]}" if said[1] else place, []).append((place, clock, name, said))
        found = []
        for records in told.values():
            (place, _, name, first), (_, _, _, last) = records[0], records[-1]
            row = {"id": place, "project": project, "run": name, "run_name": names.get(name, name), "time": last[0]}
            row["name"] = first[1] or first[2] or "file"
            for number, field in enumerate(("key", "step", "form", "caption", "sha256", "size", "media_type"), 2):
                values = [said[number] for *_, said in records if said[number] is not None]
                row |= {field: values[-1]} if values else {}
            found.append(FileRow(**row))
        return found


def build_metric_range(summaries: list[MetricSummary]) -> MetricRange:
    """Return the range of one metric over all runs; `found` is ordered by creation time of the run."""
    numbers = [row for row in summaries if row.min is not None]
    low: MetricSummary | None = min(numbers, key=attrgetter("min"), default=None)
    high: MetricSummary | None = max(numbers, key=attrgetter("max"), default=None)
    return MetricRange(
        metric=summaries[0].metric,
        runs=len(summaries),
        min=low.min if low else None,
        min_run=low.run if low else None,
        max=high.max if high else None,
        max_run=high.run if high else None,
    )
