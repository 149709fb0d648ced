"""MLflow's part (its SQLite store, by MLFLOW_TRACKING_URI; it is read by `get_metric_history`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow

from benchmarks.adapters import METRIC, PROJECT, RUN, size

VERSION = mlflow.__version__


def prepare(_: Path) -> None:
    """Make the database with its tables, which takes seconds, and the experiment."""
    mlflow.create_experiment(PROJECT)


class Recording:
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


def start(_: Path) -> Recording:
    """Begin the run."""
    return Recording()


def rows(_: Path) -> Sequence[Any]:
    """The metric's history."""
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(PROJECT)
    run = client.search_runs([experiment.experiment_id])[0].info.run_id
    return list(client.get_metric_history(run, METRIC))


READERS = {"rows": rows}


def count(folder: Path) -> int:
    """How many steps the database has."""
    return len(rows(folder))


def sizes(folder: Path) -> dict[str, int]:
    """The database."""
    return {"database": size(folder, "mlflow.db*")}
