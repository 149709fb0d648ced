"""What is logged in every benchmark: ten metrics with names and values like a training's, the same for each tracker."""

import math
import random
import struct
from enum import StrEnum

__all__ = ["METRICS", "Precision", "build_calls"]

METRICS = (
    "train/loss",
    "train/accuracy",
    "train/grad_norm",
    "train/learning_rate",
    "train/perplexity",
    "val/loss",
    "val/accuracy",
    "val/perplexity",
    "time/step_seconds",
    "time/tokens_per_second",
)
"""Names of 8 to 22 letters."""


class Precision(StrEnum):
    """What the values are: sums in double precision, which no codec can shorten, or what a network in float32 gives."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"


def build_calls(steps: int, kind: Precision = Precision.FLOAT64) -> list[dict[str, float]]:
    """The values of `steps` calls, the same ones each time: decaying curves with noise in every digit."""
    noise = random.Random(7)
    calls = []
    for step in range(steps):
        level = math.exp(-3 * step / steps)
        calls.append({metric: (place + 1) * (level + 0.1 * noise.random()) for place, metric in enumerate(METRICS)})
    return calls if kind is Precision.FLOAT64 else [round_to_float32(call) for call in calls]


def round_to_float32(call: dict[str, float]) -> dict[str, float]:
    """The values at the precision of float32."""
    single = struct.Struct(f"{len(call)}f")
    return dict(zip(call, single.unpack(single.pack(*call.values())), strict=True))
