"""MLflow's part (its SQLite store, by MLFLOW_TRACKING_URI; it is read by `get_metric_history`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow

from benchmarks.adapters import METRIC, PROJECT, RUN, sum_file_sizes

VERSION = mlflow.__version__


def prepare(_: Path) -> None:
    """Make the database with its tables, which takes seconds, and the experiment."""
    mlflow.create_experiment(PROJECT)


class RecordingRun:
    """A run."""

    def __init__(self) -> None:
        mlflow.set_experiment(PROJECT)
        mlflow.start_run(run_name=RUN)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one call."""
        mlflow.log_metrics(metrics, step=step)

    def finish(self) -> None:
        """End the run."""
        mlflow.end_run()


def start(_: Path) -> RecordingRun:
    """Begin the run."""
    return RecordingRun()


def read_rows(_: Path) -> Sequence[Any]:
    """The metric's history."""
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(PROJECT)
    run = client.search_runs([experiment.experiment_id])[0].info.run_id
    return list(client.get_metric_history(run, METRIC))


READERS = {"rows": read_rows}


def count_steps(folder: Path) -> int:
    """How many steps the database has."""
    return len(read_rows(folder))


def measure_sizes(folder: Path) -> dict[str, int]:
    """The database."""
    return {"database": sum_file_sizes(folder, "mlflow.db*")}
