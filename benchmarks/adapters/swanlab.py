"""swanlab's part (offline: a log of protobuf records per run; it is read by the reader that `swanlab sync` uses)."""

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import swanlab
from swanlab.exceptions import DataStoreError
from swanlab.proto.swanlab.record.v1.record_pb2 import Record
from swanlab.sdk.internal.core_python.store import DataStoreReader

from benchmarks.adapters import METRIC, PROJECT, RUN, sum_file_sizes

VERSION = swanlab.__version__


def prepare(_: Path) -> None:
    """Nothing is needed."""


class RecordingRun:
    """A run."""

    def __init__(self, folder: Path) -> None:
        swanlab.init(project=PROJECT, name=RUN, mode="offline", log_dir=str(folder))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one call."""
        swanlab.log(metrics, step=step)

    def finish(self) -> None:
        """End the run."""
        swanlab.finish()


def start(folder: Path) -> RecordingRun:
    """Begin the run."""
    return RecordingRun(folder)


def read_rows(folder: Path) -> Sequence[Any]:
    """The metric's points, up to where the log is torn."""
    reader, found = DataStoreReader(), []
    reader.open(next(folder.glob("run-*/*.swanlab")))
    with closing(reader), suppress(DataStoreError):
        while data := reader.scan():
            record = Record.FromString(data)
            if record.HasField("scalar") and record.scalar.key == METRIC:
                found.append((record.scalar.step, record.scalar.value.number))
    return found


READERS = {"rows": read_rows}


def count_steps(folder: Path) -> int:
    """How many steps the log has."""
    return len(read_rows(folder))


def measure_sizes(folder: Path) -> dict[str, int]:
    """The log."""
    return {"log": sum_file_sizes(folder, "run-*/*.swanlab")}
