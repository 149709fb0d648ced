import io

import pytest

from tasuki.sdk.progress_loop import ProgressLoop
from tasuki.testing import FakeClock


def run_through(loop: ProgressLoop[int], clock: FakeClock, seconds: float) -> list[int]:
    """The rounds, each of which takes so long."""
    found = []
    for one in loop:
        clock.sleep(seconds)
        found.append(one)
    return found


def test_how_far_it_has_come_is_noted_every_two_seconds_and_at_the_end():
    clock, noted = FakeClock(), []
    loop = ProgressLoop(range(10), lambda *count: noted.append(count), clock=clock)
    assert run_through(loop, clock, 0.5) == list(range(10))
    assert noted == [(4, 10, 2), (8, 10, 2), (10, 10, 2)]


def test_a_loop_that_is_left_early_says_how_far_it_came_and_that_it_has_ended():
    clock, noted, busy = FakeClock(), [], []
    loop = ProgressLoop([1, 2, 3], lambda *count: noted.append(count), on_active=busy.append, clock=clock)
    inner = iter(loop)
    next(inner)
    next(inner)
    inner.close()
    assert noted == [(1, 3, None)]
    assert busy == [True, False]


def test_a_terminal_shows_a_line_with_rate_and_time_left():
    clock, screen = FakeClock(), io.StringIO()
    run_through(ProgressLoop(range(4), lambda *_: None, output=screen, clock=clock), clock, 10)
    lines = [line.removesuffix("\x1b[K") for line in screen.getvalue().replace("\n", "").split("\r")[1:]]
    assert lines[0] == " 25% ██████░░░░░░░░░░░░░░░░░░ 1/4 0.1/s 0:30 left"
    assert lines[-1] == "100% ████████████████████████ 4/4 0.1/s"


def test_a_loop_without_a_length_counts():
    clock, screen = FakeClock(), io.StringIO()
    loop = ProgressLoop(iter(range(2)), lambda *_: None, output=screen, clock=clock)
    run_through(loop, clock, 1)
    assert screen.getvalue().endswith("\r2 1/s\x1b[K\n")
    with pytest.raises(TypeError):
        len(loop)
