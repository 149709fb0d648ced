"""Several may look at the jobs of a host at the same time, and a look may take long."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tasuki.hpc.host import Host
from tasuki.jobs.providers.hpc import BATCH_SECONDS, HostJobs
from tasuki.jobs.queue.outputs import OutputRecorder
from tasuki.records import Job, JobStatus, Observation
from tasuki.settings import load
from tasuki.testing import FakeClock


class SlowLook:
    """It takes longer than jobs are remembered that were asked for."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    async def poll(self, jobs: Sequence[Job], *, wait_tenths: int) -> dict[str, Observation]:
        assert wait_tenths == 0
        await asyncio.sleep(0)
        self.clock.sleep(BATCH_SECONDS + 1)
        return {job.id: Observation(time=0, job=job.id, status=JobStatus.RUNNING) for job in jobs}


def job(id: str) -> Job:
    return Job(id=id, provider="hpc", created=1, updated=1, status=JobStatus.QUEUED, metadata={"site": "here"})


def test_who_waits_is_answered_however_long_the_look_before_took(tmp_path: Path) -> None:
    clock = FakeClock()
    host = HostJobs(Host(name="here", host="here", transport="local"), OutputRecorder(load(dir=str(tmp_path))), clock)
    host.poller = SlowLook(clock)  # type: ignore[assignment]

    async def three() -> list[dict[str, Observation | None]]:
        return await asyncio.gather(*(host.observe_jobs([job(id)]) for id in ("a", "b", "c")))

    answers = asyncio.run(three())
    assert [set(answer) for answer in answers] == [{"a"}, {"b"}, {"c"}]
    assert all(seen is not None for answer in answers for seen in answer.values())
