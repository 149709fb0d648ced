"""What a volume's syncer costs: measured by `benchmarks/volume.py`, held here to what was promised."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.volume import INTERVAL, SECONDS, measure_round, measure_upload_ratio
from tests.support.remote_server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as server:
        yield server


def test_an_hour_costs_a_fiftieth_of_uploading_the_whole_database_each_time(tmp_path: Path, server: Server) -> None:
    assert SECONDS // INTERVAL == 120
    assert measure_upload_ratio(tmp_path, server.url, SECONDS) >= 50


def test_a_round_over_1000_projects_takes_less_than_a_second_and_reads_what_has_changed(tmp_path: Path, server: Server) -> None:
    seconds, share = measure_round(tmp_path, server.url, 1000)
    assert seconds < 1
    assert share < 8
