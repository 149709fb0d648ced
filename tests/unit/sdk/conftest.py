"""What the run under test has put into its journals."""

from collections.abc import Callable
from pathlib import Path

import pytest

import tasuki
from tasuki.records import Metrics, Record
from tests.support.journals import journals, records_of

Recorded = Callable[..., list[Record]]


@pytest.fixture
def recorded(data_dir: Path) -> Recorded:
    """The records of a kind, or of all kinds, by time."""

    def records(kind: type[Record] = Record) -> list[Record]:
        found = [record for path in journals(data_dir) for record in records_of(path)]
        return sorted((record for record in found if isinstance(record, kind)), key=lambda record: record.time)

    return records


@pytest.fixture
def values(recorded: Recorded) -> Callable[[], list[dict]]:
    """The values of each `log()` call."""
    return lambda: [record.values for record in recorded(Metrics)]


@pytest.fixture
def steps(recorded: Recorded) -> Callable[[], list[int]]:
    """The step of each `log()` call."""
    return lambda: [record.step for record in recorded(Metrics)]


@pytest.fixture
def run(data_dir: Path) -> tasuki.Run:
    """A run, open."""
    return tasuki.init(project="p")
