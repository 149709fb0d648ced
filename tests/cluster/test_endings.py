"""How jobs end is told apart, each ending provoked for real."""

from collections.abc import Iterator

import pytest

from tests.cluster.cluster_control import Cluster
from tests.cluster.job_submitter import RUN, Desk, slow
from tests.support.processes import eventually


@pytest.fixture(scope="module")
def overtime(cluster: Cluster) -> Desk:
    """A job that stays longer than it may: a scheduler takes a minute or two to see that, so it is begun before all else."""
    desk = Desk(cluster, "overtime")
    desk.submit(f"{RUN}; trap '' TERM; sleep 600 & sleep 600", walltime=1, queue="second")
    desk.wait(1, "submitted")
    return desk


@pytest.fixture(params=["pbs", "slurm"])
def desk(cluster: Cluster, overtime: Desk, request: pytest.FixtureRequest) -> Iterator[Desk]:
    desk = Desk(cluster, f"{request.node.originalname.removeprefix('test_')[:30]}_{request.param}", scheduler=request.param)
    yield desk
    if jobs := [event.fields["sid"] for event in desk.events() if event.kind == "SUBMITTED"]:
        cluster.slurm("scancel", "--quiet", *jobs)


def event(desk: Desk, id: str, kind: str) -> dict[str, str]:
    (found,) = [event for event in desk.events() if event.job == id and event.kind == kind]
    return dict(found.fields)


def test_done_and_failed_and_what_a_check_found(desk: Desk) -> None:
    desk.submit("true", "exit 7", "kill -9 $$", names=["good", "bad", "shot"])
    desk.submit("echo nonsense", check="echo it did not converge; exit 1", names=["wrong"])
    desk.wait(4, "done", "failed")
    assert desk.where()["done"] == ["good"]
    assert event(desk, "bad", "FAIL")["code"] == "7"
    assert event(desk, "shot", "FAIL")["code"] == "137"
    assert event(desk, "wrong", "FAIL")["reason"] == "it did not converge"
    report = desk.report()
    assert {job: str(state) for job, state in report.states.items()} == {
        "good": "done",
        "bad": "failed",
        "shot": "failed",
        "wrong": "failed",
    }
    assert report.flags["bad", 1].word == "FAIL"
    assert report.started == set()


def test_one_that_is_removed_from_the_queue_by_hand_is_killed(desk: Desk) -> None:
    (id,) = desk.submit(slow(60))
    eventually(lambda: desk.ran()[id] == 1)
    assert desk.report().started == {(id, 1)}
    desk.cluster.slurm("scancel", event(desk, id, "SUBMITTED")["sid"])
    desk.wait(1, "failed", trigger_every=1)
    assert desk.kinds(id)[-1] == "KILLED"
    assert event(desk, id, "KILLED")["signal"] == "TERM"


def test_one_that_is_cancelled_is_cancelled_wherever_it_is(desk: Desk) -> None:
    full = ["sleep 60"] * 8
    desk.submit(*full, names=[f"full{n}" for n in range(8)])
    eventually(lambda: len(desk.report().started) >= 7)
    desk.submit(RUN, names=["queued"])
    eventually(lambda: "queued" in desk.tickets("submitted"))
    (desk.root / "conf").write_text((desk.root / "conf").read_text().replace("MAX_QUEUED=40", "MAX_QUEUED=9"))
    limited = Desk(desk.cluster, desk.root.name, scheduler=desk.site.scheduler, max_queued=9)
    limited.numbers = 100
    limited.submit(RUN, names=["waits"])
    limited.cancel("waits", "queued", *[f"full{n}" for n in range(8)])
    limited.wait(10, "cancelled", trigger_every=1)
    assert {event.kind for event in desk.events() if event.job} == {"SUBMITTED", "CANCELLED"}
    assert desk.ran() == {}
    assert list((desk.root / "cancel").iterdir()) == []


@pytest.mark.parametrize("desk", ["pbs"], indirect=True)
def test_one_whose_node_is_killed_is_lost_and_tried_again(cluster: Cluster, desk: Desk) -> None:
    """The node says nothing, the job leaves no flag; another attempt runs when there is a node again."""
    (id,) = desk.submit(f"{RUN}; [ $(wc -l <../../ran) -gt 1 ] || exec sleep 600", queue="first")
    eventually(lambda: desk.ran()[id] == 1)
    cluster.kill_node("n1")
    eventually(lambda: desk.trigger() or desk.count("LOST")[id] == 1)
    cluster.up()
    desk.wait(1, "done", trigger_every=1)
    assert desk.kinds(id) == ["SUBMITTED", "LOST", "REQUEUED", "SUBMITTED", "DONE"]
    assert desk.ran()[id] == 2
    assert [event.attempt for event in desk.events() if event.kind in ("LOST", "DONE")] == [1, 2]


@pytest.mark.parametrize("desk", ["slurm"], indirect=True)
def test_one_that_is_lost_too_often_has_failed(cluster: Cluster, desk: Desk) -> None:
    """A job that is SIGKILLed with its shell leaves no flag either."""
    (id,) = desk.submit("kill -9 $PPID; sleep 600")
    desk.wait(1, "failed", trigger_every=1)
    assert desk.count("LOST")[id] == 3
    assert event(desk, id, "FAILED")["reason"] == "lost"


@pytest.mark.parametrize("scheduler", ["pbs", "slurm"])
def test_a_watchdog_sees_a_last_job_that_was_killed_without_a_word(cluster: Cluster, scheduler: str) -> None:
    """Nobody is there to trigger; and what is over leaves no watchdog behind."""
    desk = Desk(cluster, f"watched_{scheduler}", scheduler=scheduler, watchdog=True)
    (id,) = desk.submit(f"[ -e ../../once ] || {{ : >../../once; sleep 3; kill -9 $PPID; sleep 600; }}; {RUN}")
    desk.wait(1, "done")
    assert [event.kind for event in desk.events() if event.kind in ("LOST", "DONE")] == ["LOST", "DONE"]
    assert desk.ran()[id] == 1
    eventually(lambda: "tasuki_watch" not in cluster.slurm("squeue", "--noheader", "--format=%j"))


def test_while_no_scheduler_answers_nothing_is_submitted_and_nothing_lost(cluster: Cluster, desk: Desk) -> None:
    (runs,) = desk.submit(slow(4))
    eventually(lambda: desk.ran()[runs] == 1)
    with cluster.scheduler_down():
        (waits,) = desk.submit(RUN)
        eventually(lambda: any(event.kind == "QUEUE_UNKNOWN" for event in desk.events()))
        assert desk.where()["waiting"] == [waits]
    desk.wait(2, "done", trigger_every=1)
    assert {"LOST", "QSUB_ERROR", "BACKOFF"} & {event.kind for event in desk.events()} == set()
    assert desk.ran() == {runs: 1, waits: 1}


def test_a_quota_is_waited_for(cluster: Cluster, desk: Desk) -> None:
    cluster.fault("accept", 2)
    ids = desk.submit(*[RUN] * 4)
    eventually(lambda: any(event.kind == "BACKOFF" for event in desk.events()))
    eventually(lambda: len(desk.tickets("waiting")) == 2)
    cluster.no_faults()
    desk.wait(4, "done", trigger_every=1)
    assert desk.ran() == dict.fromkeys(ids, 1)
    (first, *_) = [event for event in desk.events() if event.kind == "BACKOFF"]
    assert "QOS policy" in first.fields["text"]


def test_what_the_scheduler_refuses_fails_with_its_words(cluster: Cluster, desk: Desk) -> None:
    cluster.fault("reject", "Account 'nobody' is not yours: ask at the desk")
    (id,) = desk.submit(RUN)
    desk.wait(1, "failed", trigger_every=0.5)
    assert "Account 'nobody' is not yours: ask at the desk" in event(desk, id, "FAILED")["reason"]
    assert desk.count("QSUB_ERROR")[id] == 3
    assert desk.ran() == {}


def test_a_second_job_for_one_attempt_does_nothing(desk: Desk) -> None:
    (id,) = desk.submit(slow(1))
    eventually(lambda: desk.ran()[id] == 1)
    folder = desk.root / "jobs" / id
    done = desk.cluster.as_user("key", f"cd {folder}; PBS_JOBID=999 PBS_O_WORKDIR=$PWD sh .run/job.sh; echo code $?")
    assert done.stdout == "code 98\n"
    assert "this job does nothing" in done.stderr
    desk.wait(1, "done")
    assert desk.ran()[id] == 1


def test_a_flag_of_an_older_agent_is_read(desk: Desk) -> None:
    (id,) = desk.submit("kill -9 $PPID; sleep 600")
    eventually(lambda: id in desk.tickets("submitted") and desk.report().started)
    sid = event(desk, id, "SUBMITTED")["sid"]
    (desk.root / "completed" / f"{id}.flag").write_text(f"DONE\n{sid}\n")
    desk.wait(1, "done", trigger_every=1)
    assert desk.kinds(id)[-1] == "DONE"


def test_one_that_stays_too_long_is_killed(overtime: Desk) -> None:
    overtime.wait(1, "failed", "done", trigger_every=1)
    assert overtime.kinds("j0")[-1] == "KILLED"
    assert overtime.ran() == {"j0": 1}
