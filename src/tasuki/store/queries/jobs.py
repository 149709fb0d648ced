"""Questions about jobs, answered from the projection."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import apsw

from tasuki.database.sqlite import one, rows
from tasuki.errors import NotFound
from tasuki.records import Job
from tasuki.store.apply.jobs import decode_state

__all__ = ["DegradedProvider", "JobFilter", "JobQueries", "JobRow", "JobRun", "JobTotals", "ProviderJobRef"]

LOCAL = "local"
SHADOWED = """(discovered AND EXISTS (SELECT 1 FROM job_external e JOIN job b ON b.id = e.job WHERE NOT b.discovered
    AND e.provider = job.provider AND e.account = job.account AND e.external_id = job.external_id))"""
"""One that was found at its provider in the moment between its submission from here and the answer to that."""
MATCHING = f"""
FROM job WHERE (?1 IS NULL OR (provider = '{LOCAL}') = ?1) AND (?2 IS NULL OR status IN (SELECT value FROM json_each(?2)))
    AND (?3 IS NULL OR provider = ?3) AND (?4 IS NULL OR user_id = ?4) AND NOT {SHADOWED}
"""
RUNS = """
SELECT run_job.job, run.project, run.id, run.config,
    (SELECT max(last_step) FROM summary JOIN metric ON metric.id = summary.metric
        WHERE summary.run = run.key AND metric.name NOT LIKE 'system/%'),
    (SELECT 100.0 * done / total FROM run_progress WHERE run = run.key AND total > 0 ORDER BY clock DESC, writer DESC LIMIT 1)
FROM run_job JOIN run ON run.key = run_job.run WHERE run_job.job IN (SELECT value FROM json_each(?))
ORDER BY run_job.clock, run_job.writer
"""


class JobFilter(NamedTuple):
    """Which jobs: local ones or all others, in one of some states, of one provider, of one user. None: any."""

    is_local: bool | None = None
    statuses: Collection[str] | None = None
    provider: str | None = None
    user: str | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        """For the statements."""
        return self.is_local, None if self.statuses is None else json.dumps(sorted(self.statuses)), self.provider, self.user


class JobRun(NamedTuple):
    """The run that a job makes, its config, the highest step that it has logged, and what share of its rounds it says are done."""

    project: str
    id: str
    config: dict[str, Any]
    last_step: int | None
    percent: float | None


class JobRow(NamedTuple):
    """A job, and its latest run if it has begun one."""

    job: Job
    run: JobRun | None = None


class ProviderJobRef(NamedTuple):
    """Which job, and which attempt at it, a provider's name means; `deleted`: it is to stay forgotten."""

    job: str
    attempt: int
    deleted: bool


class DegradedProvider(NamedTuple):
    """A provider that does not answer, what it did last, and since when."""

    provider: str
    account: str
    detail: str
    since: int


class JobTotals(NamedTuple):
    """Counts by status, costs by provider, and by word how many jobs had one that nobody knows."""

    by_status: dict[str, int]
    cost_by_provider: dict[str, float]
    odd_words: dict[str, int]


class JobQueries:
    """Answers from one connection, within the read transaction that it is in."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db

    def page(self, wanted: JobFilter, *, limit: int = -1, offset: int = 0, newest_first: bool = False) -> list[JobRow]:
        """Some of the jobs that match, by the time they were created, then by id; a negative limit is none."""
        direction = "DESC" if newest_first else "ASC"
        statement = f"SELECT state {MATCHING} ORDER BY created {direction}, id {direction} LIMIT ?5 OFFSET ?6"
        return self.with_runs([decode_state(state) for (state,) in rows(self.db, statement, (*wanted.values, limit, offset))])

    def count(self, wanted: JobFilter) -> int:
        """How many jobs match."""
        return int(one(self.db, f"SELECT count(*) {MATCHING}", wanted.values)[0])

    def active(self, provider: str | None = None) -> list[Job]:
        """All jobs that are not over, by id."""
        statement = f"SELECT state FROM job WHERE active AND (?1 IS NULL OR provider = ?1) AND NOT {SHADOWED} ORDER BY id"
        return [decode_state(state) for (state,) in rows(self.db, statement, (provider,))]

    def job(self, id: str) -> JobRow:
        """One job, by its id or a unique beginning of it. NotFound if there is none, or more than one."""
        row = one(self.db, "SELECT state FROM job WHERE id = ?", (id,))
        found = [row] if row else rows(self.db, "SELECT state FROM job WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2", (id,))
        if len(found) != 1 or not id:
            raise NotFound(f"there is no job {id!r}" if not found else f"{id!r} may mean more than one job", hint="tasuki job list")
        (answer,) = self.with_runs([decode_state(found[0][0])])
        return answer

    def jobs(self, ids: Collection[str]) -> dict[str, Job]:
        """Jobs by their ids; those that are not there, or were deleted, are left out."""
        statement = "SELECT id, state FROM job WHERE id IN (SELECT value FROM json_each(?))"
        return {id: decode_state(state) for id, state in rows(self.db, statement, (json.dumps(sorted(ids)),))}

    def known(self, provider: str, account: str, external_ids: Collection[str]) -> dict[str, ProviderJobRef]:
        """What a provider's names mean, by name; one that was submitted from here goes before one that was found."""
        statement = """
            SELECT e.external_id, e.job, e.attempt, job.id IS NULL FROM job_external e LEFT JOIN job ON job.id = e.job
            WHERE e.provider = ? AND e.account = ? AND e.external_id IN (SELECT value FROM json_each(?))
            ORDER BY coalesce(job.discovered, 1) DESC
        """
        found = rows(self.db, statement, (provider, account, json.dumps(sorted(external_ids))))
        return {name: ProviderJobRef(job, attempt, bool(deleted)) for name, job, attempt, deleted in found}

    def totals(self, user: str | None = None) -> JobTotals:
        """Counts and costs of all jobs, or of one user's."""
        wanted = JobFilter(user=user).values
        words = rows(self.db, f"SELECT state {MATCHING} AND raw_status IS NOT NULL", wanted)
        odd: dict[str, int] = {}
        for (state,) in words:
            for word in decode_state(state).odd_words:
                odd[word] = odd.get(word, 0) + 1
        return JobTotals(
            dict(rows(self.db, f"SELECT status, count(*) {MATCHING} GROUP BY status", wanted)),
            dict(
                rows(
                    self.db, f"SELECT provider, sum(coalesce(cost_usd, 0) + earlier_cost_usd) {MATCHING} GROUP BY provider", wanted
                )
            ),
            odd,
        )

    def degraded(self) -> list[DegradedProvider]:
        """The providers that do not answer."""
        return [
            DegradedProvider(*row)
            for row in rows(self.db, "SELECT provider, account, detail, since FROM job_provider WHERE degraded ORDER BY 1, 2")
        ]

    def with_runs(self, jobs: Sequence[Job]) -> list[JobRow]:
        """The jobs, each with its latest run."""
        found = rows(self.db, RUNS, (json.dumps([job.id for job in jobs]),))
        runs = {job: JobRun(project, id, json.loads(config or "{}"), *far) for job, project, id, config, *far in found}
        return [JobRow(job, runs.get(job.id)) for job in jobs]
