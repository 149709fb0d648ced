"""The jobs' API sees calculations in a queue while somebody is logged in, and never logs in itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tasuki.jobs import Jobs, JobStatus
from tasuki.settings import load
from tests.cluster.cluster_control import Cluster
from tests.cluster.test_commands import Person, calc, person

__all__ = ["calc", "person"]


def with_jobs(folder: Path, action: Callable[[Jobs], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Jobs(load(dir=str(folder))) as jobs:
            return await action(jobs)

    return asyncio.run(run())


async def seen(jobs: Jobs, id: str) -> tuple[str, str]:
    await jobs.refresh("poller")
    job = await jobs.get(id)
    return job.status, job.sync_state


@pytest.mark.parametrize("person", ["otp"], indirect=True)
def test_the_poller_follows_jobs_while_somebody_is_logged_in_and_never_logs_in(
    cluster: Cluster, person: Person, calc: Path
) -> None:
    person.login()
    logins = cluster.authentications("otp")
    person.ok("job", "submit", str(calc / "one"), "--on", "bebop", "--command", "sleep 1; echo over")
    id = str(person.jobs()["one"]["job_id"])
    assert with_jobs(person.folder, lambda jobs: seen(jobs, id))[0] == JobStatus.PENDING  # until a sync
    person.sync()
    deadline = time.monotonic() + 60
    while with_jobs(person.folder, lambda jobs: seen(jobs, id)) != (JobStatus.COMPLETED, "fresh"):
        assert time.monotonic() < deadline, person.jobs()
        time.sleep(0.3)
    assert person.sync()["uploaded"] == 0

    person.ok("job", "submit", str(calc / "two words"), "--on", "bebop", "--command", "sleep 60")
    person.sync()
    other = str(person.jobs()["two words"]["job_id"])
    person.ok("hpc", "logout", "bebop")
    status, state = with_jobs(person.folder, lambda jobs: seen(jobs, other))
    assert (status in ("queued", "running"), state in ("stale", "unreachable")) == (True, True)
    assert cluster.authentications("otp") == logins

    person.login()
    with_jobs(person.folder, lambda jobs: jobs.cancel(other))
    while with_jobs(person.folder, lambda jobs: seen(jobs, other))[0] != JobStatus.CANCELLED:
        assert time.monotonic() < deadline + 60, person.jobs()
        time.sleep(0.3)
