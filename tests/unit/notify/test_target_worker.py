import os
from pathlib import Path

import pytest

from tasuki.alert_targets import AlertTarget
from tasuki.errors import RemoteMisconfigured, RemoteUnavailable, RequestRejected
from tasuki.notify.delivery_log import DeliveryLog
from tasuki.notify.message import Message
from tasuki.notify.target_worker import RateLimit, TargetWorker
from tasuki.records import AlertLevel, AlertRow
from tasuki.testing import FakeClock

W = "0" * 32


def row(offset: int, *, writer: str = W, level: AlertLevel = AlertLevel.WARN, project: str = "p") -> AlertRow:
    return AlertRow(id=f"{writer}:{offset}", project=project, run="r", run_name="r", time=offset, level=level, title=f"t{offset}")


class WorkerHarness:
    """A courier, what it has sent, and the errors that come instead."""

    def __init__(self, path: Path, *, level: str = "warn", project: str | None = None, messages: int = 3) -> None:
        self.path = path
        self.clock = FakeClock()
        self.sent: list[Message] = []
        self.errors: list[Exception] = []
        target = AlertTarget(url="https://hooks.example/x", level=level, project=project)
        pace = RateLimit(messages, 60.0, clock=self.clock)
        self.courier = TargetWorker(target, DeliveryLog(path), self.post, rate_limit=pace, clock=self.clock)
        self.courier.backoff.draw_uniform = lambda _, most: most

    def post(self, message: Message) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(message)

    def offer(self, *rows: AlertRow, all_there_are: bool = False) -> None:
        self.courier.enqueue_new(rows, is_complete=all_there_are)

    def deliver(self) -> float | None:
        """Send all that may be sent now; returns how long it then waits."""
        while (seconds := self.courier.deliver_next()) == 0:
            pass
        return seconds

    @property
    def titles(self) -> list[str]:
        return [message.body["alert"]["title"] if "alert" in message.body else message.title for message in self.sent]


@pytest.fixture
def harness(tmp_path: Path) -> WorkerHarness:
    """Of a target that was there before, and has been told nothing."""
    harness = WorkerHarness(tmp_path / "target")
    harness.offer(all_there_are=True)
    return harness


def test_a_new_target_hears_of_nothing_that_was_there_before_it(tmp_path: Path):
    harness = WorkerHarness(tmp_path / "target")
    harness.offer(row(1))
    assert harness.courier.delivery_log.is_new  # what there is may be incomplete until all is offered
    harness.offer(row(1), row(2), all_there_are=True)
    harness.offer(row(3))
    assert harness.deliver() is None
    assert harness.titles == ["t3"]


def test_an_alert_is_told_once_however_often_it_is_offered(harness: WorkerHarness):
    harness.offer(row(1))
    harness.offer(row(1), row(2))
    harness.deliver()
    harness.offer(row(1), row(2), all_there_are=True)
    harness.deliver()
    assert harness.titles == ["t1", "t2"]


def test_after_a_restart_only_what_was_not_told_is(harness: WorkerHarness):
    harness.offer(row(1), row(2))
    harness.courier.deliver_next()
    again = WorkerHarness(harness.path)
    again.offer(row(1), row(2), row(3), all_there_are=True)
    again.deliver()
    assert harness.titles + again.titles == ["t1", "t2", "t3"]


def test_a_torn_line_of_a_killed_process_is_no_line(harness: WorkerHarness):
    harness.offer(row(100))
    harness.deliver()
    with harness.path.open("a") as file:
        file.write(f"{W} 99")
    again = WorkerHarness(harness.path)
    again.offer(row(100), row(9999), all_there_are=True)
    again.deliver()
    assert again.titles == ["t9999"]
    assert harness.path.read_text().endswith(f"{W} 9999\n")


@pytest.mark.parametrize(
    ("level", "project", "titles"), [("warn", None, ["t2", "t3", "t4"]), ("error", None, ["t3"]), ("info", "q", ["t4"])]
)
def test_a_target_hears_of_its_project_from_its_level_on(tmp_path: Path, level: str, project: str | None, titles: list[str]):
    harness = WorkerHarness(tmp_path / "target", level=level, project=project)
    harness.offer(all_there_are=True)
    harness.offer(row(1, level=AlertLevel.INFO), row(2), row(3, level=AlertLevel.ERROR), row(4, project="q"))
    harness.deliver()
    assert harness.titles == titles


def test_what_exceeds_the_pace_is_held_and_told_in_one_message(harness: WorkerHarness):
    harness.offer(*(row(n) for n in range(1, 8)))
    assert harness.deliver() == 60
    assert harness.titles == ["t1", "t2", "t3"]
    harness.offer(row(8, level=AlertLevel.ERROR))
    harness.clock.sleep(59)
    assert harness.deliver() == 1
    harness.clock.sleep(1)
    assert harness.deliver() is None
    assert harness.titles[3:] == ["[error] 5 more alerts: 4 warn, 1 error"]
    assert harness.sent[-1].body["levels"] == {"warn": 4, "error": 1}
    assert [listed["alert"]["title"] for listed in harness.sent[-1].body["alerts"]] == ["t4", "t5", "t6", "t7", "t8"]
    harness.offer(row(9))
    harness.deliver()
    assert harness.titles[4:] == ["t9"]


def test_one_that_was_held_alone_is_told_as_itself(harness: WorkerHarness):
    harness.offer(*(row(n) for n in range(1, 5)))
    harness.deliver()
    harness.clock.sleep(60)
    harness.deliver()
    assert harness.titles == ["t1", "t2", "t3", "t4"]


def test_a_failure_is_tried_again_later_and_later_and_nothing_overtakes_it(harness: WorkerHarness):
    harness.errors = [RemoteUnavailable("down"), RemoteUnavailable("down"), RemoteUnavailable("busy", retry_after_seconds=30)]
    harness.offer(row(1), row(2))
    waits = []
    while (seconds := harness.deliver()) is not None:
        waits.append(seconds)
        harness.clock.sleep(seconds)
    assert waits == [1, 2, 30]
    assert harness.titles == ["t1", "t2"]


def test_a_wrong_address_keeps_everything(harness: WorkerHarness):
    harness.errors = [RemoteMisconfigured("404")]
    harness.offer(row(1))
    assert harness.deliver() == 60
    harness.clock.sleep(60)
    harness.deliver()
    assert harness.titles == ["t1"]


def test_an_alert_that_is_refused_holds_up_no_other(harness: WorkerHarness, caplog: pytest.LogCaptureFixture):
    harness.errors = [RequestRejected("400")]
    harness.offer(row(1), row(2))
    harness.deliver()
    assert harness.titles == ["t2"]
    assert f"refused alert {W}:1" in caplog.text


def test_a_target_that_takes_no_message_about_several_is_told_one_by_one(harness: WorkerHarness):
    harness.offer(*(row(n) for n in range(1, 7)))
    harness.deliver()
    harness.clock.sleep(60)
    harness.errors = [RequestRejected("422")]
    while (seconds := harness.deliver()) is not None:
        harness.clock.sleep(seconds)
    assert harness.titles == ["t1", "t2", "t3", "t4", "t5", "t6"]


def test_what_can_not_be_noted_is_not_told_again_and_again(harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch):
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    harness.offer(row(1), row(2))
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            harness.courier.deliver_next()
    harness.offer(row(1), row(2), all_there_are=True)
    harness.deliver()
    assert harness.titles == ["t1", "t2"]


def test_more_than_can_be_kept_waits_in_the_store(harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tasuki.notify.target_worker.MAX_QUEUED_ALERTS", 2)
    rows = [row(n) for n in range(1, 6)]
    harness.offer(*rows[:4])
    assert not harness.courier.needs_all_alerts()
    harness.courier.deliver_next()
    harness.offer(*rows[4:])  # behind it are others that it has not kept
    harness.deliver()
    assert harness.courier.needs_all_alerts()
    harness.offer(*rows, all_there_are=True)
    harness.clock.sleep(60)
    harness.deliver()
    harness.offer(*rows, all_there_are=True)
    harness.clock.sleep(60)
    harness.deliver()
    told = [alert["alert"]["title"] for message in harness.sent for alert in message.body.get("alerts", [message.body])]
    assert told == ["t1", "t2", "t3", "t4", "t5"]


def test_what_a_target_does_not_want_is_not_passed_before_an_earlier_one_of_its_stream_is_told(harness: WorkerHarness):
    harness.offer(row(1), row(2, level=AlertLevel.INFO))
    again = WorkerHarness(harness.path)
    again.offer(row(1), row(2, level=AlertLevel.INFO), all_there_are=True)
    again.deliver()
    assert again.titles == ["t1"]
