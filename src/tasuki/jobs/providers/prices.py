"""Prices per second of hardware, as the provider publishes them, by hardware name."""

import re
from collections.abc import Mapping

__all__ = ["REPLICATE_PRICES", "compute_cost"]

REPLICATE_PRICES = {  # https://replicate.com/pricing, USD a second, as of 2025
    "cpu": 0.0001,
    "cpu-small": 0.000025,
    "gpu-t4": 0.000225,
    "gpu-l40s": 0.000975,
    "gpu-a100-large": 0.0014,
    "gpu-h100": 0.001525,
}
DEVICE_COUNT_PATTERN = re.compile(r"-(\d{1,3})x$")


def compute_cost(hardware: str | None, seconds: float, prices: Mapping[str, float]) -> float | None:
    """Return the price in USD of `seconds` on a hardware (`gpu-a100-large-2x` counts twice).

    None if unknown.
    """
    if hardware is None:
        return None
    price = prices.get(hardware)
    found = DEVICE_COUNT_PATTERN.search(hardware)
    if price is None and found:
        base = prices.get(hardware[: found.start()])
        price = None if base is None else base * int(found[1])
    return None if price is None else round(price * max(0.0, seconds), 6)
