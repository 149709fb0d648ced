"""The agent works through a queue alone, and every job runs once whatever is killed."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress

import pytest

from tests.cluster.cluster_control import Cluster
from tests.cluster.job_submitter import RUN, JobSubmitter, slow
from tests.support.soak import SOAK

SHELLS = ["dash", "bash --posix", "busybox sh"]


def once(ids: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(ids, 1))


def no_gaps(submitter: JobSubmitter) -> bool:
    events = submitter.events()
    return [event.sequence for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize("scheduler", ["pbs", "slurm"])
def test_twelve_jobs_go_through_two_places_with_one_trigger(cluster: Cluster, scheduler: str) -> None:
    submitter = JobSubmitter(cluster, f"twelve_{scheduler}", scheduler=scheduler, max_queued=2, max_running=2)
    ids = submitter.submit(*[f"{RUN}; ls ../ | wc -l; sleep 0.3; echo out-$PWD"] * 12)
    submitter.wait(12, "done")
    assert submitter.ran() == submitter.count("SUBMITTED") == submitter.count("DONE") == once(ids)
    assert no_gaps(submitter)
    assert (submitter.root / "jobs/j3/stdout.txt").read_text().splitlines()[-1] == f"out-{submitter.root}/jobs/j3"


def test_the_chain_goes_on_with_one_place_and_a_strangers_job_in_the_queue(cluster: Cluster) -> None:
    stranger = cluster.as_user("key", "cd; printf '#!/bin/sh\\nsleep 60\\n' > other.sh; sbatch --parsable other.sh")
    submitter = JobSubmitter(cluster, "chain", max_queued=1, max_running=1)
    ids = submitter.submit(*[RUN] * 4)
    submitter.wait(4, "done")
    assert submitter.ran() == once(ids)
    cluster.slurm("scancel", stranger.stdout.strip())


def test_sixteen_triggers_at_once_submit_each_job_once(cluster: Cluster) -> None:
    submitter = JobSubmitter(cluster, "sixteen", max_queued=40, max_running=40)
    submitter.submit()
    ids = submitter.submit(*[RUN] * 20)
    agents = [submitter.start_agent(shell=SHELLS[n % 3]) for n in range(16)]
    assert {agent.wait(60) for agent in agents} == {0}
    submitter.wait(20, "done")
    submissions = [event.fields["sid"] for event in submitter.events() if event.kind == "SUBMITTED"]
    assert len(submissions) == len(set(submissions)) == 20
    assert submitter.ran() == once(ids)
    assert no_gaps(submitter)


def test_every_job_runs_once_while_lock_holders_are_killed(cluster: Cluster) -> None:
    kills_wanted, chance = (200 if SOAK else 20), random.Random(7)
    submitter = JobSubmitter(cluster, "killed", max_queued=6, max_running=6, max_attempts=9)
    ids = submitter.submit(*[slow(0.1)] * 30)
    kills, agents = 0, list[subprocess.Popen[bytes]]()
    deadline = time.monotonic() + 4 * kills_wanted
    while kills < kills_wanted:
        assert time.monotonic() < deadline, (kills, submitter.where())
        agents.append(submitter.start_agent(shell=SHELLS[len(agents) % 3]))
        time.sleep(chance.uniform(0, 1))
        if holder := submitter.lock_holder():
            with suppress(ProcessLookupError):
                os.kill(holder, signal.SIGKILL)
                kills += 1
        if not submitter.tickets("waiting", "claimed", "submitted"):
            ids += submitter.submit(*[slow(0.1)] * 10)
    for agent in agents:
        agent.wait(60)
    submitter.wait(len(ids), "done", trigger_every=1)
    assert submitter.ran() == once(ids), submitter.where()
    assert no_gaps(submitter)
