import math
from collections.abc import Callable
from datetime import timedelta

import pytest

from tasuki.errors import ConfigError, NotFound, RemoteUnavailable
from tasuki.records import Metrics, Record, RunProgress, RunStarted, RunStatus, Status, encode, encode_frame
from tasuki.sdk.query.wait import Condition, WaitOutcome, parse_condition, wait_for_run
from tasuki.testing import FakeClock, MemoryStore
from tasuki.testing.reference_store.received_streams import ReceivedStream
from tests.support.recorded_runs import BEGAN

SECOND = 1_000_000


class Story(FakeClock):
    """A clock during whose sleeps things happen: at so many seconds from the beginning."""

    def __init__(self, store: MemoryStore, events: dict[float, Callable[[], None]]) -> None:
        super().__init__(BEGAN)
        self.events = events

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        for when in [when for when in self.events if BEGAN + when * SECOND <= self.us]:
            self.events.pop(when)()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.received["a" * 32] = ReceivedStream("p", "r")
    say(store, RunStarted(time=BEGAN, attempt="one", name="run"))
    return store


def say(store: MemoryStore, *records: Record) -> None:
    store.received["a" * 32].data += b"".join(encode_frame(encode(record)) for record in records)


def logs(store: MemoryStore, step: int, **values: float) -> Callable[[], None]:
    return lambda: say(store, Metrics(time=BEGAN + step, step=step, values=values))


def ends(store: MemoryStore, status: Status) -> Callable[[], None]:
    return lambda: say(store, RunStatus(time=BEGAN + 10**9, attempt="one", status=status))


def waited(store: MemoryStore, events: dict[float, Callable[[], None]], until: str | None = None, **how: float):
    limits = {name: timedelta(seconds=seconds) for name, seconds in how.items()}
    condition = None if until is None else parse_condition(until)
    return wait_for_run(store, "p", "run", until=condition, clock=Story(store, events), **limits)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("val/acc>0.97", Condition("val/acc", ">", 0.97)),
        (" loss <= 1e-3 ", Condition("loss", "<=", 0.001)),
        ("a b>=-5", Condition("a b", ">=", -5.0)),
        ("x<inf", Condition("x", "<", math.inf)),
        ("acc@k=5>0.9", Condition("acc@k=5", ">", 0.9)),
    ],
)
def test_a_condition_is_a_metric_a_sign_and_a_number(text: str, parsed: Condition) -> None:
    assert parse_condition(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "loss",
        "loss<",
        "<3",
        "loss=3",
        "loss==3",
        "loss<x",
        "loss<nan",
        "a<b<3",
        "loss=>3",
        "0.1<loss<0.3",
        "__import__('os')",
        "x<1+1",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_condition(text)


def test_it_is_true_as_soon_as_a_value_satisfies_it_even_if_the_next_does_not(store: MemoryStore) -> None:
    logs(store, 1, loss=5.0)()
    found = waited(store, {3: logs(store, 2, loss=0.2), 3.001: logs(store, 3, loss=9.0)}, "loss<0.3")
    assert (found.outcome, found.value, found.step, found.run.id) == (WaitOutcome.TRUE, 0.2, 2, "r")
    assert 3 <= found.seconds < 6


@pytest.mark.parametrize(("sign", "true"), [("<", False), ("<=", True), (">", False), (">=", True)])
def test_signs_mean_what_they_mean(store: MemoryStore, sign: str, true: bool) -> None:
    logs(store, 1, x=1.0)()
    assert (waited(store, {}, f"x{sign}1", timeout=1).outcome is WaitOutcome.TRUE) is true


def test_nan_satisfies_nothing(store: MemoryStore) -> None:
    logs(store, 1, x=math.nan)()
    assert waited(store, {}, "x<1", timeout=1).outcome is WaitOutcome.TIMEOUT


def test_a_run_that_ends_before_it_is_true_has_ended(store: MemoryStore) -> None:
    found = waited(store, {1: logs(store, 1, acc=0.5), 2: ends(store, Status.FINISHED)}, "acc>0.9")
    assert (found.outcome, found.run.status) == (WaitOutcome.ENDED, Status.FINISHED)


def test_a_run_that_ended_and_made_it_true_is_true(store: MemoryStore) -> None:
    logs(store, 1, acc=0.95)()
    ends(store, Status.FAILED)()
    assert waited(store, {}, "acc>0.9").outcome is WaitOutcome.TRUE


@pytest.mark.parametrize(("status", "outcome"), [(Status.FINISHED, WaitOutcome.TRUE), (Status.FAILED, WaitOutcome.ENDED)])
def test_without_a_condition_it_waits_for_the_end(store: MemoryStore, status: Status, outcome: WaitOutcome) -> None:
    assert waited(store, {5: ends(store, status)}).outcome is outcome


def test_the_time_is_over_when_it_is(store: MemoryStore) -> None:
    found = waited(store, {}, "acc>0.9", timeout=3)
    assert (found.outcome, found.seconds) == (WaitOutcome.TIMEOUT, 3.0)


def test_a_run_that_logs_nothing_has_stalled_and_one_that_goes_on_has_not(store: MemoryStore) -> None:
    found = waited(store, {500: logs(store, 1, acc=0.1)}, "acc>0.9")
    assert found.outcome is WaitOutcome.STALLED
    assert 1100 <= found.seconds < 1105
    assert waited(store, {}, "acc>0.9", stalled_after=30).seconds < 33


def test_a_metric_that_an_ended_run_never_had_is_said_with_the_nearest(store: MemoryStore) -> None:
    logs(store, 1, acc=0.1)()
    ends(store, Status.FINISHED)()
    with pytest.raises(NotFound, match="acc") as error:
        waited(store, {}, "ac>0.9")
    assert "acc" in (error.value.hint or "")


class Away(MemoryStore):
    """A server that is away between two moments of a clock."""

    def __init__(self, clock: FakeClock, begin: float, end: float) -> None:
        super().__init__()
        self.clock, self.begin, self.end = clock, begin, end

    def run(self, project, ref):
        if self.begin <= self.clock.monotonic() < self.end:
            raise RemoteUnavailable("away")
        return super().run(project, ref)


@pytest.mark.parametrize(("seconds", "survives"), [(50, True), (90, False)])
def test_a_server_may_be_away_for_a_minute(seconds: float, survives: bool) -> None:
    clock = FakeClock()
    store = Away(clock, clock.monotonic() + 1, clock.monotonic() + 1 + seconds)
    store.received["a" * 32] = ReceivedStream("p", "r")
    say(store, RunStarted(time=BEGAN, attempt="one", name="run"))
    if survives:
        found = wait_for_run(store, "p", "run", timeout=timedelta(seconds=120), clock=clock)
        assert found.outcome is WaitOutcome.TIMEOUT
    else:
        with pytest.raises(RemoteUnavailable):
            wait_for_run(store, "p", "run", timeout=timedelta(seconds=120), clock=clock)


def loads(store: MemoryStore, seconds: int) -> Callable[[], None]:
    return lambda: say(store, Metrics(time=BEGAN + seconds * SECOND, step=0, values={"system/cpu_percent": 99.0}))


def loops(store: MemoryStore, done: int) -> Callable[[], None]:
    return lambda: say(store, RunProgress(time=BEGAN + done * SECOND, attempt="one", done=done))


def test_the_load_of_the_machine_is_no_progress(store: MemoryStore):
    found = waited(store, {seconds: loads(store, seconds) for seconds in range(15, 600, 15)}, stalled_after=60)
    assert found.outcome == WaitOutcome.STALLED
    assert found.seconds < 70


def test_rounds_of_a_loop_that_logs_nothing_are_progress(store: MemoryStore):
    found = waited(store, {seconds: loops(store, seconds) for seconds in range(15, 300, 15)}, stalled_after=60, timeout=200)
    assert found.outcome == WaitOutcome.TIMEOUT
