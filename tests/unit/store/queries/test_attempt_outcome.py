"""Whether a run elsewhere is silent is judged by this machine's clock, not by its own."""

from pathlib import Path

import pytest

from tasuki.settings import load
from tasuki.store import RAW_FILE, LocalStore, RawStore
from tasuki.testing import FakeClock
from tests.support.servers import Stream, metrics, started

HOUR_US = 3_600_000_000


def status(folder: Path, clock: FakeClock) -> str:
    with LocalStore(load(dir=str(folder)), clock=clock, wait_seconds=None) as store:
        return str(store.runs("p")[0].status)


@pytest.mark.parametrize("skew", [-HOUR_US, 0, HOUR_US])
def test_a_clock_that_is_wrong_does_not_make_a_live_run_crashed_or_a_silent_one_alive(tmp_path: Path, skew: int):
    clock = FakeClock()
    first, *more = metrics(*range(3))
    clock.us = first.time - skew
    stream = Stream("p")
    raw = RawStore(tmp_path / RAW_FILE, clock=clock)
    raw.append([stream.item([started("it"), first])])
    clock.us += 59_000_000
    assert status(tmp_path, clock) == "running"
    clock.us += 2_000_000
    assert status(tmp_path, clock) == "crashed"
    raw.append([stream.item(more)])
    assert status(tmp_path, clock) == "running", "any later frame takes it back"
    raw.append([stream.item(sealed=True)])
    assert status(tmp_path, clock) == "crashed"
    raw.close()


def test_what_others_say_of_a_run_does_not_keep_it_alive(tmp_path: Path):
    clock = FakeClock()
    (first,) = metrics(0)
    clock.us = first.time
    raw = RawStore(tmp_path / RAW_FILE, clock=clock)
    stream = Stream("p")
    raw.append([stream.item([started("it"), first])])
    clock.us += 61_000_000
    other = Stream("p", stream.run)
    raw.append([other.item(metrics(5))])
    assert status(tmp_path, clock) == "crashed"
    raw.close()
