"""Everything at once, for a while: `make soak` does it for long, with random seeds."""

from pathlib import Path

import pytest

from tests.support.chaos_schedule import Schedule
from tests.support.soak import scaled


@pytest.mark.parametrize("seed", range(1, scaled(3, 4)))
def test_a_random_schedule_of_kills_and_faults_loses_and_doubles_nothing(seed: int, tmp_path: Path):
    counts = Schedule(seed, tmp_path).play(scaled(8, 60))
    assert counts.clients_killed
    assert counts.servers_killed
    assert counts.faults
    assert counts.acknowledged > 1000
