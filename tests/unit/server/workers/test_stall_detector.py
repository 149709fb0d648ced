from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tasuki
from tasuki.records import Alert, AlertReason, Heartbeat, RunProgress, encode
from tasuki.server.workers.stall_detector import StallDetector
from tasuki.settings import load
from tasuki.store import LocalStore
from tasuki.testing import FakeClock


class Watch:
    """What a server looks with, over a folder in which a run of this process is open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = LocalStore(load(dir=str(folder)))
        self.clock = FakeClock()
        self.run = tasuki.init("p", "r", dir=str(folder))
        self.started()

    def started(self) -> None:
        """The server has started (anew): it remembers nothing."""
        not_used: Any = None
        self.stalls = StallDetector(not_used, not_used, minutes=10, clock=self.clock)
        self.clock.us = self.run.start_record.time

    def after(self, minutes: float) -> list[Alert]:
        """What it says so much later, which is then in the run's journal as if it had been in the server's."""
        self.clock.sleep(60 * minutes)
        found = [self.stalls.build_alert(stalled) for stalled in self.store.run_query(self.stalls.find_stalled_runs, 0)]
        for alert in found:
            self.run.append(encode(alert))
        return found


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(tmp_path)
    watch.after(0)
    yield watch
    watch.store.close()


def test_a_run_that_logs_nothing_for_the_time_is_stalled_once(watch: Watch):
    watch.run.log({"loss": 1.0}, step=7)
    assert watch.after(0) == watch.after(9.9) == []
    (alert,) = watch.after(0.2)
    assert (alert.title, alert.reason, alert.step) == ("no progress for 10 minutes", AlertReason.STALLED, 7)
    assert alert.data == {"minutes": 10, "attempt": 1, "points": 1, "done": 0}
    assert watch.after(20) == []


def test_signs_of_life_are_no_progress(watch: Watch):
    watch.after(9)
    watch.run.append(encode(Heartbeat(time=watch.clock.now_us())))
    watch.run.alert("I am here")
    watch.run.log({"system/cpu_percent": 3.0, "system": {"memory_percent": 50.0}})
    assert len(watch.after(1)) == 1


def test_progress_arms_it_again(watch: Watch):
    assert len(watch.after(10)) == 1
    watch.run.log({"loss": 1.0})
    assert watch.after(5) == []
    assert [alert.data["points"] for alert in watch.after(10) if alert.data] == [1]


def test_a_loop_that_goes_on_is_progress(watch: Watch):
    watch.after(9)
    watch.run.append(encode(RunProgress(time=watch.clock.now_us(), attempt=watch.run.start_record.attempt, done=5)))
    assert watch.after(2) == []
    assert [alert.data["done"] for alert in watch.after(10) if alert.data] == [5]


def test_a_server_that_starts_anew_does_not_say_it_again(watch: Watch):
    assert len(watch.after(10)) == 1
    watch.started()
    assert watch.after(0) == watch.after(11) == []
    watch.run.log({"loss": 1.0})
    assert watch.after(0) == []
    assert len(watch.after(10)) == 1


def test_a_run_that_has_ended_is_not_stalled(watch: Watch):
    watch.run.finish()
    assert watch.after(11) == []


def test_a_resumed_run_is_stalled_of_its_own(watch: Watch):
    assert len(watch.after(10)) == 1
    watch.run.finish()
    watch.run = tasuki.init("p", id=watch.run.id, resume="must", dir=str(watch.folder))
    watch.started()
    assert watch.after(0) == []
    assert [alert.data for alert in watch.after(11)] == [{"minutes": 10, "attempt": 2, "points": 0, "done": 0}]
