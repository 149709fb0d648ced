import threading
import time
from collections.abc import Iterator

import pytest

from tasuki.journal import Appender, MaintenanceThread
from tasuki.journal import appender as appender_module
from tasuki.journal import maintenance as pulse_module
from tests.support.journals import beginning, journals


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round takes no second."""
    monkeypatch.setattr(pulse_module, "TICK_SECONDS", 0.001)


class Beats:
    """Counts beats; the third one may be waited for. The first one may fail."""

    def __init__(self, *, failing: bool = False) -> None:
        self.count = 0
        self.failing = failing
        self.three = threading.Event()

    def __call__(self) -> None:
        self.count += 1
        if self.count == 3:
            self.three.set()
        if self.failing and self.count == 1:
            raise ValueError("the first one")


@pytest.fixture
def beats() -> Beats:
    """Counts."""
    return Beats()


@pytest.fixture
def pulse(beats: Beats) -> Iterator[MaintenanceThread]:
    """A running one that beats each round."""
    pulse = MaintenanceThread(beats, heartbeat_seconds=0)
    pulse.start()
    yield pulse
    pulse.stop()


def test_it_beats_round_after_round(pulse: MaintenanceThread, beats: Beats):
    assert beats.three.wait(5)


def test_it_goes_on_after_an_error_and_tells_of_it(caplog: pytest.LogCaptureFixture):
    beats = Beats(failing=True)
    pulse = MaintenanceThread(beats, heartbeat_seconds=0)
    pulse.start()
    assert beats.three.wait(5)
    pulse.stop()
    assert "goes on after an error" in caplog.text
    assert "the first one" in caplog.text


def test_it_tends_every_appender(pulse: MaintenanceThread, appender: Appender, monkeypatch: pytest.MonkeyPatch):
    first = appender.writer.path
    monkeypatch.setattr(appender_module, "MAX_FILE_BYTES", 1)
    deadline = time.monotonic() + 10
    while not beginning(first)[0].is_sealed and time.monotonic() < deadline:
        time.sleep(0.001)
    pulse.stop()
    assert len(journals(first.parent)) > 1
    assert beginning(first)[0].is_sealed


def test_starting_it_twice_makes_one_thread(pulse: MaintenanceThread):
    thread = pulse.thread
    pulse.start()
    assert pulse.thread is thread


def test_it_stops_and_starts_again(pulse: MaintenanceThread, beats: Beats):
    thread = pulse.thread
    pulse.stop()
    thread.join()
    beats.three.clear()
    beats.count = 0
    pulse.start()
    assert beats.three.wait(5)


def test_a_thread_that_stop_did_not_wait_for_still_stops_after_a_new_start(pulse: MaintenanceThread):
    in_round, go_on = threading.Event(), threading.Event()

    def watch() -> None:
        in_round.set()
        go_on.wait()

    pulse.on_tick = watch
    first = pulse.thread
    assert in_round.wait(30)
    pulse.stop()
    assert first.is_alive()
    pulse.on_tick = lambda: None
    pulse.start()
    go_on.set()
    first.join()
    assert pulse.thread.is_alive()


def test_a_child_of_a_fork_has_no_thread_until_it_needs_one(pulse: MaintenanceThread):
    parents = pulse.thread
    pulse.reset_after_fork()
    assert pulse.thread is None
    pulse.start()
    assert pulse.thread is not parents
    pulse.stop()
    parents.join(0)
    pulse.thread, pulse.stop_event = parents, threading.Event()
