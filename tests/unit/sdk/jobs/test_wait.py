from datetime import timedelta

import pytest

from tasuki.errors import RemoteUnavailable
from tasuki.jobs import Job, JobStatus, JobView
from tasuki.jobs.schemas import JobExtras, build_job_view
from tasuki.sdk.jobs import wait_for_job
from tasuki.testing import FakeClock


class Scripted:
    """Jobs of which one does what it is told to, by the second; None: nobody answers."""

    def __init__(self, clock: FakeClock, script: dict[float, JobStatus | None], provider: str = "replicate") -> None:
        self.clock, self.script, self.provider = clock, script, provider
        self.began = clock.monotonic()
        self.looks: list[float] = []

    def get(self, id: str, *, refresh: bool = False) -> JobView:
        seconds = self.clock.monotonic() - self.began
        if refresh:
            self.looks.append(round(seconds, 1))
        status = self.script[max(second for second in self.script if second <= seconds)]
        if status is None:
            raise RemoteUnavailable("away")
        return build_job_view(
            Job(id="0123456789ab", provider=self.provider, status=status, created=0, updated=0), JobExtras(now_us=0)
        )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def waited(scripted: Scripted, timeout: float | None = None) -> JobView:
    return wait_for_job(scripted, "0123", None if timeout is None else timedelta(seconds=timeout), clock=scripted.clock)  # type: ignore[arg-type] # all that it needs


def test_it_ends_when_the_job_is_over(clock: FakeClock) -> None:
    scripted = Scripted(clock, {0: JobStatus.QUEUED, 5: JobStatus.RUNNING, 31: JobStatus.FAILED})
    assert waited(scripted).status == "failed"
    assert 31 <= clock.monotonic() - scripted.began < 32
    assert scripted.looks == [10.5, 20.5, 30.5]


def test_it_ends_when_the_time_is_over_and_not_later(clock: FakeClock) -> None:
    scripted = Scripted(clock, {0: JobStatus.RUNNING})
    assert waited(scripted, 3.2).is_active
    assert clock.monotonic() - scripted.began == pytest.approx(3.2)


def test_a_job_of_this_machine_needs_no_look_elsewhere(clock: FakeClock) -> None:
    scripted = Scripted(clock, {0: JobStatus.RUNNING, 25: JobStatus.COMPLETED}, "local")
    assert waited(scripted).status == "completed"
    assert scripted.looks == []


def test_a_server_may_be_away_for_a_minute_but_not_from_the_beginning_nor_longer(clock: FakeClock) -> None:
    assert waited(Scripted(clock, {0: JobStatus.RUNNING, 5: None, 60: JobStatus.COMPLETED})).status == "completed"
    scripted = Scripted(clock, {0: JobStatus.RUNNING, 5: None})
    with pytest.raises(RemoteUnavailable):
        waited(scripted)
    assert 65 <= clock.monotonic() - scripted.began < 67
    with pytest.raises(RemoteUnavailable):
        waited(Scripted(clock, {0: None}))
