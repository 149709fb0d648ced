"""A small training that can go wrong on purpose: a line is fitted to noisy points, by gradient descent in plain Python.

    python simulate_training.py --lr 0.3                    # gets better, and ends
    python simulate_training.py --lr 5                      # diverges, and is stopped by its watcher
    python simulate_training.py --nan-at-step 20            # one broken sample: the weights are NaN from then on
    python simulate_training.py --nan-at-step 20 --skip-broken-samples
    python simulate_training.py --spike-at-step 40          # one bad batch: the loss jumps, and comes back

The first line on stdout is JSON: the run's id, and the learning rate that is really used.
"""

import argparse
import json
import math
import random
import sys
import time

import tasuki

BATCH = 16
MAX_LOSS = 1000.0


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", default="autonomous")
    parser.add_argument("--name")
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS", help="after each step")
    parser.add_argument("--nan-at-step", type=int, help="a sample of this step's batch is NaN")
    parser.add_argument("--spike-at-step", type=int, help="the labels of this step's batch are wrong")
    parser.add_argument("--skip-broken-samples", action="store_true", help="leave samples out that are not finite")
    return parser.parse_args(arguments)


class Training:
    """A line's slope and height, and the samples that it is fitted to."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.random = random.Random(options.seed)
        self.slope = self.height = 0.0

    def batch(self, step: int) -> list[tuple[float, float]]:
        """Samples of `y = 3x + 1`, with noise, and with what was ordered to be wrong at this step."""
        samples = []
        for _ in range(BATCH):
            x = self.random.gauss(0, 1)
            samples.append((x, 3 * x + 1 + self.random.gauss(0, 0.1)))
        if step == self.options.spike_at_step:  # step 0 is a step
            samples = [(x, y + 10) for x, y in samples]
        if step == self.options.nan_at_step:
            samples[0] = (math.nan, samples[0][1])
        if self.options.skip_broken_samples:
            samples = [sample for sample in samples if all(map(math.isfinite, sample))]
        return samples

    def step(self, step: int) -> float:
        """One step of gradient descent; returns the batch's mean squared error before it."""
        samples = self.batch(step)
        errors = [(x, self.slope * x + self.height - y) for x, y in samples]
        loss = sum(error * error for _, error in errors) / len(samples)
        rate = self.options.lr * 2 / len(samples)
        self.slope -= rate * sum(error * x for x, error in errors)
        self.height -= rate * sum(error for _, error in errors)
        return loss


def main() -> int:
    options = parse_arguments()
    run = tasuki.init(project=options.project, name=options.name, config=vars(options))
    print(json.dumps({"run": run.id, "lr": options.lr}), flush=True)
    tasuki.watch("train/loss", nan=True, max_value=MAX_LOSS, spike_factor=3.0, window=10, patience=200)
    training = Training(options)
    for step in range(options.steps):
        tasuki.log({"train/loss": training.step(step), "train/lr": options.lr}, step=step)
        if stop := tasuki.should_stop():
            print(f"stopped at step {step}: {stop.reason} ({stop.source})", flush=True)
            tasuki.finish(status="failed", reason=f"{stop.source}: {stop.reason}")
            return 1
        time.sleep(options.pause)
    tasuki.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
