"""Questions about jobs, answered from the projection."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import apsw

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.errors import NotFound
from tasuki.records import Job
from tasuki.store.apply.jobs import decode_state

__all__ = ["DegradedProvider", "JobFilter", "JobQueries", "JobRow", "JobRun", "JobTotals", "ProviderJobRef"]

LOCAL_PROVIDER = "local"
DUPLICATE_CONDITION = """(discovered AND EXISTS (SELECT 1 FROM job_external e JOIN job b ON b.id = e.job WHERE NOT b.discovered
    AND e.provider = job.provider AND e.account = job.account AND e.external_id = job.external_id))"""
"""One that was found at its provider in the moment between its submission from here and the answer to that."""
FROM_MATCHING_JOBS = f"""
FROM job WHERE (?1 IS NULL OR (provider = '{LOCAL_PROVIDER}') = ?1) AND (?2 IS NULL OR status IN (SELECT value FROM json_each(?2)))
    AND (?3 IS NULL OR provider = ?3) AND (?4 IS NULL OR user_id = ?4) AND NOT {DUPLICATE_CONDITION}
"""
SELECT_JOB_RUNS = """
SELECT run_job.job, run.project, run.id, run.config,
    (SELECT max(last_step) FROM summary JOIN metric ON metric.id = summary.metric
        WHERE summary.run = run.key AND metric.name NOT LIKE 'system/%'),
    (SELECT 100.0 * done / total FROM run_progress WHERE run = run.key AND total > 0 ORDER BY clock DESC, writer DESC LIMIT 1)
FROM run_job JOIN run ON run.key = run_job.run WHERE run_job.job IN (SELECT value FROM json_each(?))
ORDER BY run_job.clock, run_job.writer
"""


class JobFilter(NamedTuple):
    """Filter of jobs: local or other ones, by statuses, provider, and user. None: any."""

    is_local: bool | None = None
    statuses: Collection[str] | None = None
    provider: str | None = None
    user: str | None = None

    @property
    def parameters(self) -> tuple[Any, ...]:
        """For the statements."""
        return self.is_local, None if self.statuses is None else json.dumps(sorted(self.statuses)), self.provider, self.user


class JobRun(NamedTuple):
    """The run of a job: config, highest logged step, and the share of its rounds done."""

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
    """The job and attempt of an external id; `deleted`: it must not be discovered again."""

    job: str
    attempt: int
    is_deleted: bool


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

    def page(self, job_filter: JobFilter, *, limit: int = -1, offset: int = 0, newest_first: bool = False) -> list[JobRow]:
        """Some of the jobs that match, by the time they were created, then by id; a negative limit is none."""
        direction = "DESC" if newest_first else "ASC"
        statement = f"SELECT state {FROM_MATCHING_JOBS} ORDER BY created {direction}, id {direction} LIMIT ?5 OFFSET ?6"
        return self.add_latest_runs(
            [decode_state(state) for (state,) in fetch_all(self.db, statement, (*job_filter.parameters, limit, offset))]
        )

    def count(self, job_filter: JobFilter) -> int:
        """Count the matching jobs."""
        return int(fetch_one(self.db, f"SELECT count(*) {FROM_MATCHING_JOBS}", job_filter.parameters)[0])

    def active_jobs(self, provider: str | None = None) -> list[Job]:
        """All jobs that are not over, by id."""
        statement = (
            f"SELECT state FROM job WHERE active AND (?1 IS NULL OR provider = ?1) AND NOT {DUPLICATE_CONDITION} ORDER BY id"
        )
        return [decode_state(state) for (state,) in fetch_all(self.db, statement, (provider,))]

    def job(self, id: str) -> JobRow:
        """One job, by its id or a unique beginning of it. NotFound if there is none, or more than one."""
        row = fetch_one(self.db, "SELECT state FROM job WHERE id = ?", (id,))
        found = [row] if row else fetch_all(self.db, "SELECT state FROM job WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2", (id,))
        if len(found) != 1 or not id:
            raise NotFound(f"there is no job {id!r}" if not found else f"{id!r} may mean more than one job", hint="tasuki job list")
        (answer,) = self.add_latest_runs([decode_state(found[0][0])])
        return answer

    def jobs(self, ids: Collection[str]) -> dict[str, Job]:
        """Jobs by their ids; those that are not there, or were deleted, are left out."""
        statement = "SELECT id, state FROM job WHERE id IN (SELECT value FROM json_each(?))"
        return {id: decode_state(state) for id, state in fetch_all(self.db, statement, (json.dumps(sorted(ids)),))}

    def jobs_by_external_id(self, provider: str, account: str, external_ids: Collection[str]) -> dict[str, ProviderJobRef]:
        """Map external ids to jobs; a job submitted from here outranks a discovered one."""
        statement = """
            SELECT e.external_id, e.job, e.attempt, job.id IS NULL FROM job_external e LEFT JOIN job ON job.id = e.job
            WHERE e.provider = ? AND e.account = ? AND e.external_id IN (SELECT value FROM json_each(?))
            ORDER BY coalesce(job.discovered, 1) DESC
        """
        found = fetch_all(self.db, statement, (provider, account, json.dumps(sorted(external_ids))))
        return {name: ProviderJobRef(job, attempt, bool(deleted)) for name, job, attempt, deleted in found}

    def totals(self, user: str | None = None) -> JobTotals:
        """Counts and costs of all jobs, or of one user's."""
        wanted = JobFilter(user=user).parameters
        words = fetch_all(self.db, f"SELECT state {FROM_MATCHING_JOBS} AND raw_status IS NOT NULL", wanted)
        odd: dict[str, int] = {}
        for (state,) in words:
            for word in decode_state(state).odd_words:
                odd[word] = odd.get(word, 0) + 1
        return JobTotals(
            dict(fetch_all(self.db, f"SELECT status, count(*) {FROM_MATCHING_JOBS} GROUP BY status", wanted)),
            dict(
                fetch_all(
                    self.db,
                    f"SELECT provider, sum(coalesce(cost_usd, 0) + earlier_cost_usd) {FROM_MATCHING_JOBS} GROUP BY provider",
                    wanted,
                )
            ),
            odd,
        )

    def degraded_providers(self) -> list[DegradedProvider]:
        """The providers that do not answer."""
        return [
            DegradedProvider(*row)
            for row in fetch_all(self.db, "SELECT provider, account, detail, since FROM job_provider WHERE degraded ORDER BY 1, 2")
        ]

    def add_latest_runs(self, jobs: Sequence[Job]) -> list[JobRow]:
        """The jobs, each with its latest run."""
        found = fetch_all(self.db, SELECT_JOB_RUNS, (json.dumps([job.id for job in jobs]),))
        runs = {job: JobRun(project, id, json.loads(config or "{}"), *far) for job, project, id, config, *far in found}
        return [JobRow(job, runs.get(job.id)) for job in jobs]
