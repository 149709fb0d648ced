"""TensorBoard's part (event files by tensorboardX, which needs no torch; they are read by TensorBoard's own accumulator)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorboardX
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.adapters import METRIC, sum_file_sizes

VERSION = tensorboardX.__version__


def prepare(_: Path) -> None:
    """Nothing is needed."""


class RecordingRun:
    """A run."""

    def __init__(self, folder: Path) -> None:
        self.writer = tensorboardX.SummaryWriter(str(folder))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one call: it has no call for several metrics."""
        for metric, value in metrics.items():
            self.writer.add_scalar(metric, value, step)

    def finish(self) -> None:
        """End the run."""
        self.writer.close()


def start(folder: Path) -> RecordingRun:
    """Begin the run."""
    return RecordingRun(folder)


def read_rows(folder: Path) -> Sequence[Any]:
    """The metric's events, all of them."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return list(accumulator.Scalars(METRIC)) if METRIC in accumulator.Tags()["scalars"] else []


READERS = {"rows": read_rows}


def count_steps(folder: Path) -> int:
    """How many steps the event files have."""
    return len(read_rows(folder))


def measure_sizes(folder: Path) -> dict[str, int]:
    """The event files, whose values are float32."""
    return {"event files": sum_file_sizes(folder, "events.*")}
