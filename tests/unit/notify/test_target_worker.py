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


class Desk:
    """A courier, what it has sent, and the errors that come instead."""

    def __init__(self, path: Path, *, level: str = "warn", project: str | None = None, messages: int = 3) -> None:
        self.path = path
        self.clock = FakeClock()
        self.sent: list[Message] = []
        self.errors: list[Exception] = []
        target = AlertTarget(url="https://hooks.example/x", level=level, project=project)
        pace = RateLimit(messages, 60.0, clock=self.clock)
        self.courier = TargetWorker(target, DeliveryLog(path), self.post, pace=pace, clock=self.clock)
        self.courier.patience.chance = lambda _, most: most

    def post(self, message: Message) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(message)

    def offer(self, *rows: AlertRow, all_there_are: bool = False) -> None:
        self.courier.offer(rows, all_there_are=all_there_are)

    def deliver(self) -> float | None:
        """Send all that may be sent now; returns how long it then waits."""
        while (seconds := self.courier.deliver()) == 0:
            pass
        return seconds

    @property
    def titles(self) -> list[str]:
        return [message.body["alert"]["title"] if "alert" in message.body else message.title for message in self.sent]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Of a target that was there before, and has been told nothing."""
    desk = Desk(tmp_path / "target")
    desk.offer(all_there_are=True)
    return desk


def test_a_new_target_hears_of_nothing_that_was_there_before_it(tmp_path: Path):
    desk = Desk(tmp_path / "target")
    desk.offer(row(1))
    assert desk.courier.delivered.is_new  # what there is may be incomplete until all is offered
    desk.offer(row(1), row(2), all_there_are=True)
    desk.offer(row(3))
    assert desk.deliver() is None
    assert desk.titles == ["t3"]


def test_an_alert_is_told_once_however_often_it_is_offered(desk: Desk):
    desk.offer(row(1))
    desk.offer(row(1), row(2))
    desk.deliver()
    desk.offer(row(1), row(2), all_there_are=True)
    desk.deliver()
    assert desk.titles == ["t1", "t2"]


def test_after_a_restart_only_what_was_not_told_is(desk: Desk):
    desk.offer(row(1), row(2))
    desk.courier.deliver()
    again = Desk(desk.path)
    again.offer(row(1), row(2), row(3), all_there_are=True)
    again.deliver()
    assert desk.titles + again.titles == ["t1", "t2", "t3"]


def test_a_torn_line_of_a_killed_process_is_no_line(desk: Desk):
    desk.offer(row(100))
    desk.deliver()
    with desk.path.open("a") as file:
        file.write(f"{W} 99")
    again = Desk(desk.path)
    again.offer(row(100), row(9999), all_there_are=True)
    again.deliver()
    assert again.titles == ["t9999"]
    assert desk.path.read_text().endswith(f"{W} 9999\n")


@pytest.mark.parametrize(
    ("level", "project", "titles"), [("warn", None, ["t2", "t3", "t4"]), ("error", None, ["t3"]), ("info", "q", ["t4"])]
)
def test_a_target_hears_of_its_project_from_its_level_on(tmp_path: Path, level: str, project: str | None, titles: list[str]):
    desk = Desk(tmp_path / "target", level=level, project=project)
    desk.offer(all_there_are=True)
    desk.offer(row(1, level=AlertLevel.INFO), row(2), row(3, level=AlertLevel.ERROR), row(4, project="q"))
    desk.deliver()
    assert desk.titles == titles


def test_what_exceeds_the_pace_is_held_and_told_in_one_message(desk: Desk):
    desk.offer(*(row(n) for n in range(1, 8)))
    assert desk.deliver() == 60
    assert desk.titles == ["t1", "t2", "t3"]
    desk.offer(row(8, level=AlertLevel.ERROR))
    desk.clock.sleep(59)
    assert desk.deliver() == 1
    desk.clock.sleep(1)
    assert desk.deliver() is None
    assert desk.titles[3:] == ["[error] 5 more alerts: 4 warn, 1 error"]
    assert desk.sent[-1].body["levels"] == {"warn": 4, "error": 1}
    assert [listed["alert"]["title"] for listed in desk.sent[-1].body["alerts"]] == ["t4", "t5", "t6", "t7", "t8"]
    desk.offer(row(9))
    desk.deliver()
    assert desk.titles[4:] == ["t9"]


def test_one_that_was_held_alone_is_told_as_itself(desk: Desk):
    desk.offer(*(row(n) for n in range(1, 5)))
    desk.deliver()
    desk.clock.sleep(60)
    desk.deliver()
    assert desk.titles == ["t1", "t2", "t3", "t4"]


def test_a_failure_is_tried_again_later_and_later_and_nothing_overtakes_it(desk: Desk):
    desk.errors = [RemoteUnavailable("down"), RemoteUnavailable("down"), RemoteUnavailable("busy", after_seconds=30)]
    desk.offer(row(1), row(2))
    waits = []
    while (seconds := desk.deliver()) is not None:
        waits.append(seconds)
        desk.clock.sleep(seconds)
    assert waits == [1, 2, 30]
    assert desk.titles == ["t1", "t2"]


def test_a_wrong_address_keeps_everything(desk: Desk):
    desk.errors = [RemoteMisconfigured("404")]
    desk.offer(row(1))
    assert desk.deliver() == 60
    desk.clock.sleep(60)
    desk.deliver()
    assert desk.titles == ["t1"]


def test_an_alert_that_is_refused_holds_up_no_other(desk: Desk, caplog: pytest.LogCaptureFixture):
    desk.errors = [RequestRejected("400")]
    desk.offer(row(1), row(2))
    desk.deliver()
    assert desk.titles == ["t2"]
    assert f"refused alert {W}:1" in caplog.text


def test_a_target_that_takes_no_message_about_several_is_told_one_by_one(desk: Desk):
    desk.offer(*(row(n) for n in range(1, 7)))
    desk.deliver()
    desk.clock.sleep(60)
    desk.errors = [RequestRejected("422")]
    while (seconds := desk.deliver()) is not None:
        desk.clock.sleep(seconds)
    assert desk.titles == ["t1", "t2", "t3", "t4", "t5", "t6"]


def test_what_can_not_be_noted_is_not_told_again_and_again(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    desk.offer(row(1), row(2))
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            desk.courier.deliver()
    desk.offer(row(1), row(2), all_there_are=True)
    desk.deliver()
    assert desk.titles == ["t1", "t2"]


def test_more_than_can_be_kept_waits_in_the_store(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tasuki.notify.target_worker.MOST_WAITING", 2)
    rows = [row(n) for n in range(1, 6)]
    desk.offer(*rows[:4])
    assert not desk.courier.wants_all()
    desk.courier.deliver()
    desk.offer(*rows[4:])  # behind it are others that it has not kept
    desk.deliver()
    assert desk.courier.wants_all()
    desk.offer(*rows, all_there_are=True)
    desk.clock.sleep(60)
    desk.deliver()
    desk.offer(*rows, all_there_are=True)
    desk.clock.sleep(60)
    desk.deliver()
    told = [alert["alert"]["title"] for message in desk.sent for alert in message.body.get("alerts", [message.body])]
    assert told == ["t1", "t2", "t3", "t4", "t5"]


def test_what_a_target_does_not_want_is_not_passed_before_an_earlier_one_of_its_stream_is_told(desk: Desk):
    desk.offer(row(1), row(2, level=AlertLevel.INFO))
    again = Desk(desk.path)
    again.offer(row(1), row(2, level=AlertLevel.INFO), all_there_are=True)
    again.deliver()
    assert again.titles == ["t1"]
