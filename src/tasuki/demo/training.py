"""The demo's training: `python -m tasuki.demo.training LEDGER [--dir D] [--remote URL] [--group G]`.

A small network learns scikit-learn's bundled digits by gradient descent, three times; the last learning rate is far too
high and diverges. To tasuki it is any user's script: it imports the public names and appends to its journals. The ledger is
a second account of all that was recorded, one JSON line per record, for whoever checks the store against it.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

import tasuki
from tasuki.clock import SYSTEM_CLOCK

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]

PROJECT = "digits"
LEARNING_RATES = (0.01, 0.1, 100.0)
CONFIG = {"hidden": 32, "batch": 32, "epochs": 30, "seed": 0}
TRAINING_ROWS = 1500
LEAKY_SLOPE = 0.01  # a leaky unit can't die, so that a rate too high overflows instead of getting stuck


class Network:
    """One hidden layer of leaky rectifiers and a softmax, trained by plain gradient descent."""

    def __init__(self, inputs: int, hidden: int, outputs: int, random: np.random.Generator) -> None:
        self.w1: Array = random.normal(0, inputs**-0.5, (inputs, hidden))
        self.b1: Array = np.zeros(hidden)
        self.w2: Array = random.normal(0, hidden**-0.5, (hidden, outputs))
        self.b2: Array = np.zeros(outputs)

    def compute_scores(self, x: Array) -> tuple[Array, Array, Array]:
        """The hidden layer before and after its units, and a score per class."""
        z = x @ self.w1 + self.b1
        h = np.maximum(z, LEAKY_SLOPE * z)
        return z, h, h @ self.w2 + self.b2

    def train_step(self, x: Array, y: Labels, lr: float) -> float:
        """One step of gradient descent; returns the mean cross-entropy before it."""
        z, h, scores = self.compute_scores(x)
        rows = np.arange(len(x))
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        sums = powers.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(sums[:, 0]) - scores[rows, y]))
        d_scores = powers / sums
        d_scores[rows, y] -= 1
        d_scores /= len(x)
        d_z = d_scores @ self.w2.T * np.where(z > 0, 1, LEAKY_SLOPE)
        self.w2 -= lr * h.T @ d_scores
        self.b2 -= lr * d_scores.sum(axis=0)
        self.w1 -= lr * x.T @ d_z
        self.b1 -= lr * d_z.sum(axis=0)
        return loss

    def compute_accuracy(self, x: Array, y: Labels) -> float:
        """The share of rows whose highest score is the right class."""
        return float(np.mean(self.compute_scores(x)[2].argmax(axis=1) == y))


class CallLog:
    """One JSON line per record, written when the record is made; floats in hex, which is exact."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, run: tasuki.Run, **record: Any) -> None:
        """Write one line."""
        self.file.write(json.dumps({"run": run.id} | record) + "\n")

    def write_metrics(self, run: tasuki.Run, step: int, values: dict[str, float]) -> None:
        """Write the line of one `log()` call."""
        self.write(run, step=step, values={name: value.hex() for name, value in values.items()})


class StepThrottle:
    """Holds the training back to so many steps a second, so that it can be watched."""

    def __init__(self, steps_per_second: float | None) -> None:
        self.interval_seconds = 1 / steps_per_second if steps_per_second else 0.0
        self.next_step_at = SYSTEM_CLOCK.monotonic()

    def wait(self) -> None:
        """Wait until the next step is due."""
        self.next_step_at += self.interval_seconds
        if self.interval_seconds and (early := self.next_step_at - SYSTEM_CLOCK.monotonic()) > 0:
            SYSTEM_CLOCK.sleep(early)


def iter_batches(rows: int, size: int, random: np.random.Generator) -> Iterator[Labels]:
    """The rows of one epoch in random order, batch by batch."""
    order = random.permutation(rows)
    yield from (order[start : start + size] for start in range(0, rows, size))


def train(run: tasuki.Run, call_log: CallLog, throttle: StepThrottle) -> bool:
    """Train one network, logging each step's loss and each epoch's accuracy; False if it diverged."""
    random = np.random.default_rng(run.config.seed)
    digits = load_digits()
    order = random.permutation(len(digits.target))
    x, y = digits.data[order] / 16, digits.target[order]
    network = Network(x.shape[1], run.config.hidden, 10, random)
    step = 0
    for epoch in range(run.config.epochs):
        for batch in iter_batches(TRAINING_ROWS, run.config.batch, random):
            loss = network.train_step(x[batch], y[batch], run.config.lr)
            run.log({"train/loss": loss}, step=step)
            call_log.write_metrics(run, step, {"train/loss": loss})
            if math.isnan(loss):
                run.alert("the loss is NaN", level="error", step=step, data={"lr": run.config.lr, "epoch": epoch})
                call_log.write(run, alert="the loss is NaN")
                return False
            step += 1
            throttle.wait()
        accuracy = network.compute_accuracy(x[TRAINING_ROWS:], y[TRAINING_ROWS:])
        run.log({"val": {"acc": accuracy}}, step=step - 1)
        call_log.write_metrics(run, step - 1, {"val/acc": accuracy})
    return True


def record_runs(call_log: CallLog, throttle: StepThrottle, **init_options: Any) -> None:
    """One run per learning rate."""
    for lr in LEARNING_RATES:
        name = f"lr-{lr:g}"
        with tasuki.init(PROJECT, name, config=CONFIG | {"lr": lr}, tags=["demo"], **init_options) as run:
            call_log.write(run, name=name)
            if train(run, call_log, throttle):
                run.finish()
                call_log.write(run, status="finished")
            else:
                run.finish("failed", "diverged")
                call_log.write(run, status="failed")


def main() -> int:
    """The script."""
    parser = argparse.ArgumentParser(prog="python -m tasuki.demo.training", description=record_runs.__doc__)
    parser.add_argument("ledger", type=Path, help="where to write a second account of everything recorded")
    parser.add_argument("--dir", help="the data folder")
    parser.add_argument("--remote", help="the server to send to")
    parser.add_argument("--group", help="the runs' group")
    parser.add_argument("--steps-per-second", type=float, help="train slowly enough to be watched")
    options = parser.parse_args()
    try:
        with options.ledger.open("w", buffering=1, encoding="utf-8") as file, np.errstate(all="ignore"):
            record_runs(
                CallLog(file), StepThrottle(options.steps_per_second), dir=options.dir, remote=options.remote, group=options.group
            )
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
