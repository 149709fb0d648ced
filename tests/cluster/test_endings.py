"""How jobs end is told apart, each ending provoked for real."""

from collections.abc import Iterator

import pytest

from tests.cluster.cluster_control import Cluster
from tests.cluster.job_submitter import RUN, JobSubmitter, slow
from tests.support.processes import eventually


@pytest.fixture(scope="module")
def overtime(cluster: Cluster) -> JobSubmitter:
    """A job that stays longer than it may: a scheduler takes a minute or two to see that, so it is begun before all else."""
    submitter = JobSubmitter(cluster, "overtime")
    submitter.submit(f"{RUN}; trap '' TERM; sleep 600 & sleep 600", walltime=1, queue="second")
    submitter.wait(1, "submitted")
    return submitter


@pytest.fixture(params=["pbs", "slurm"])
def submitter(cluster: Cluster, overtime: JobSubmitter, request: pytest.FixtureRequest) -> Iterator[JobSubmitter]:
    submitter = JobSubmitter(
        cluster, f"{request.node.originalname.removeprefix('test_')[:30]}_{request.param}", scheduler=request.param
    )
    yield submitter
    if jobs := [event.fields["sid"] for event in submitter.events() if event.kind == "SUBMITTED"]:
        cluster.slurm("scancel", "--quiet", *jobs)


def event(submitter: JobSubmitter, id: str, kind: str) -> dict[str, str]:
    (found,) = [event for event in submitter.events() if event.job == id and event.kind == kind]
    return dict(found.fields)


def test_done_and_failed_and_what_a_check_found(submitter: JobSubmitter) -> None:
    submitter.submit("true", "exit 7", "kill -9 $$", names=["good", "bad", "shot"])
    submitter.submit("echo nonsense", check="echo it did not converge; exit 1", names=["wrong"])
    submitter.wait(4, "done", "failed")
    assert submitter.where()["done"] == ["good"]
    assert event(submitter, "bad", "FAIL")["code"] == "7"
    assert event(submitter, "shot", "FAIL")["code"] == "137"
    assert event(submitter, "wrong", "FAIL")["reason"] == "it did not converge"
    report = submitter.report()
    assert {job: str(state) for job, state in report.states.items()} == {
        "good": "done",
        "bad": "failed",
        "shot": "failed",
        "wrong": "failed",
    }
    assert report.flags["bad", 1].outcome == "FAIL"
    assert report.running_attempts == set()


def test_one_that_is_removed_from_the_queue_by_hand_is_killed(submitter: JobSubmitter) -> None:
    (id,) = submitter.submit(slow(60))
    eventually(lambda: submitter.ran()[id] == 1)
    assert submitter.report().running_attempts == {(id, 1)}
    submitter.cluster.slurm("scancel", event(submitter, id, "SUBMITTED")["sid"])
    submitter.wait(1, "failed", trigger_every=1)
    assert submitter.kinds(id)[-1] == "KILLED"
    assert event(submitter, id, "KILLED")["signal"] == "TERM"


def test_one_that_is_cancelled_is_cancelled_wherever_it_is(submitter: JobSubmitter) -> None:
    full = ["sleep 60"] * 8
    submitter.submit(*full, names=[f"full{n}" for n in range(8)])
    eventually(lambda: len(submitter.report().running_attempts) >= 7)
    submitter.submit(RUN, names=["queued"])
    eventually(lambda: "queued" in submitter.tickets("submitted"))
    (submitter.root / "conf").write_text((submitter.root / "conf").read_text().replace("MAX_QUEUED=40", "MAX_QUEUED=9"))
    limited = JobSubmitter(submitter.cluster, submitter.root.name, scheduler=submitter.site.scheduler, max_queued=9)
    limited.numbers = 100
    limited.submit(RUN, names=["waits"])
    limited.cancel("waits", "queued", *[f"full{n}" for n in range(8)])
    limited.wait(10, "cancelled", trigger_every=1)
    assert {event.kind for event in submitter.events() if event.job} == {"SUBMITTED", "CANCELLED"}
    assert submitter.ran() == {}
    assert list((submitter.root / "cancel").iterdir()) == []


@pytest.mark.parametrize("submitter", ["pbs"], indirect=True)
def test_one_whose_node_is_killed_is_lost_and_tried_again(cluster: Cluster, submitter: JobSubmitter) -> None:
    """The node says nothing, the job leaves no flag; another attempt runs when there is a node again."""
    (id,) = submitter.submit(f"{RUN}; [ $(wc -l <../../ran) -gt 1 ] || exec sleep 600", queue="first")
    eventually(lambda: submitter.ran()[id] == 1)
    cluster.kill_node("n1")
    eventually(lambda: submitter.trigger() or submitter.count("LOST")[id] == 1)
    cluster.up()
    submitter.wait(1, "done", trigger_every=1)
    assert submitter.kinds(id) == ["SUBMITTED", "LOST", "REQUEUED", "SUBMITTED", "DONE"]
    assert submitter.ran()[id] == 2
    assert [event.attempt for event in submitter.events() if event.kind in ("LOST", "DONE")] == [1, 2]


@pytest.mark.parametrize("submitter", ["slurm"], indirect=True)
def test_one_that_is_lost_too_often_has_failed(cluster: Cluster, submitter: JobSubmitter) -> None:
    """A job that is SIGKILLed with its shell leaves no flag either."""
    (id,) = submitter.submit("kill -9 $PPID; sleep 600")
    submitter.wait(1, "failed", trigger_every=1)
    assert submitter.count("LOST")[id] == 3
    assert event(submitter, id, "FAILED")["reason"] == "lost"


@pytest.mark.parametrize("scheduler", ["pbs", "slurm"])
def test_a_watchdog_sees_a_last_job_that_was_killed_without_a_word(cluster: Cluster, scheduler: str) -> None:
    """Nobody is there to trigger; and what is over leaves no watchdog behind."""
    submitter = JobSubmitter(cluster, f"watched_{scheduler}", scheduler=scheduler, watchdog=True)
    (id,) = submitter.submit(f"[ -e ../../once ] || {{ : >../../once; sleep 3; kill -9 $PPID; sleep 600; }}; {RUN}")
    submitter.wait(1, "done")
    assert [event.kind for event in submitter.events() if event.kind in ("LOST", "DONE")] == ["LOST", "DONE"]
    assert submitter.ran()[id] == 1
    eventually(lambda: "tasuki_watch" not in cluster.slurm("squeue", "--noheader", "--format=%j"))


def test_while_no_scheduler_answers_nothing_is_submitted_and_nothing_lost(cluster: Cluster, submitter: JobSubmitter) -> None:
    (runs,) = submitter.submit(slow(4))
    eventually(lambda: submitter.ran()[runs] == 1)
    with cluster.scheduler_down():
        (waits,) = submitter.submit(RUN)
        eventually(lambda: any(event.kind == "QUEUE_UNKNOWN" for event in submitter.events()))
        assert submitter.where()["waiting"] == [waits]
    submitter.wait(2, "done", trigger_every=1)
    assert {"LOST", "QSUB_ERROR", "BACKOFF"} & {event.kind for event in submitter.events()} == set()
    assert submitter.ran() == {runs: 1, waits: 1}


def test_a_quota_is_waited_for(cluster: Cluster, submitter: JobSubmitter) -> None:
    cluster.fault("accept", 2)
    ids = submitter.submit(*[RUN] * 4)
    eventually(lambda: any(event.kind == "BACKOFF" for event in submitter.events()))
    eventually(lambda: len(submitter.tickets("waiting")) == 2)
    cluster.no_faults()
    submitter.wait(4, "done", trigger_every=1)
    assert submitter.ran() == dict.fromkeys(ids, 1)
    (first, *_) = [event for event in submitter.events() if event.kind == "BACKOFF"]
    assert "QOS policy" in first.fields["text"]


def test_what_the_scheduler_refuses_fails_with_its_words(cluster: Cluster, submitter: JobSubmitter) -> None:
    cluster.fault("reject", "Account 'nobody' is not yours: ask at the help desk")
    (id,) = submitter.submit(RUN)
    submitter.wait(1, "failed", trigger_every=0.5)
    assert "Account 'nobody' is not yours: ask at the help desk" in event(submitter, id, "FAILED")["reason"]
    assert submitter.count("QSUB_ERROR")[id] == 3
    assert submitter.ran() == {}


def test_a_second_job_for_one_attempt_does_nothing(submitter: JobSubmitter) -> None:
    (id,) = submitter.submit(slow(1))
    eventually(lambda: submitter.ran()[id] == 1)
    folder = submitter.root / "jobs" / id
    done = submitter.cluster.as_user("key", f"cd {folder}; PBS_JOBID=999 PBS_O_WORKDIR=$PWD sh .run/job.sh; echo code $?")
    assert done.stdout == "code 98\n"
    assert "this job does nothing" in done.stderr
    submitter.wait(1, "done")
    assert submitter.ran()[id] == 1


def test_a_flag_of_an_older_agent_is_read(submitter: JobSubmitter) -> None:
    (id,) = submitter.submit("kill -9 $PPID; sleep 600")
    eventually(lambda: id in submitter.tickets("submitted") and submitter.report().running_attempts)
    sid = event(submitter, id, "SUBMITTED")["sid"]
    (submitter.root / "completed" / f"{id}.flag").write_text(f"DONE\n{sid}\n")
    submitter.wait(1, "done", trigger_every=1)
    assert submitter.kinds(id)[-1] == "DONE"


def test_one_that_stays_too_long_is_killed(overtime: JobSubmitter) -> None:
    overtime.wait(1, "failed", "done", trigger_every=1)
    assert overtime.kinds("j0")[-1] == "KILLED"
    assert overtime.ran() == {"j0": 1}
