"""Streams that are ready to be sent: what a run has logged, as the items that a sender would post."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain, islice
from zlib import crc32

from benchmarks.workload import METRICS, Precision, build_calls
from tasuki.records import FlatMetrics, Item, Record, RunStarted, RunStatus, Status, encode, encode_frame, pack_item

__all__ = ["PROJECT", "START_US", "build_metric_names", "iter_calls", "iter_items"]

PROJECT = "bench"
RECORDS_PER_ITEM = 4_000
"""Records of ten floats that stay below 1 MiB."""
START_US = 1_800_000_000_000_000
CYCLE_STEPS = 100_000
STEP_US = 20_000


@cache
def build_cycle(kind: Precision, length: int) -> list[dict[str, float]]:
    """Values that repeat only after more bytes than any compressor looks back."""
    return build_calls(length, kind)


def iter_calls(steps: int, kind: Precision = Precision.FLOAT64) -> Iterator[dict[str, float]]:
    """The values of that many calls, however many."""
    found = build_cycle(kind, min(steps, CYCLE_STEPS))
    return (found[step % len(found)] for step in range(steps))


def iter_records(run: str, calls: Iterable[Mapping[str, float]], start_us: int) -> Iterator[Record | FlatMetrics]:
    """A whole run."""
    last = start_us
    yield RunStarted(time=last, attempt="one", name=run)
    for step, metrics in enumerate(calls):
        last += STEP_US
        yield FlatMetrics(time=last, step=step, values=dict(metrics))
    yield RunStatus(time=last + STEP_US, attempt="one", status=Status.FINISHED)


def iter_items(
    run: str, calls: Iterable[Mapping[str, float]], *, records_per_item: int = RECORDS_PER_ITEM, start_us: int = START_US
) -> Iterator[Item]:
    """The items of a run's one stream, `each` records in one; the last says that the stream is complete."""
    writer, offset, crc = secrets.token_hex(16), 0, 0
    left = iter_records(run, calls, start_us)
    while batch := list(islice(left, records_per_item)):
        following = next(left, None)
        data = b"".join(encode_frame(encode(record)) for record in batch)
        yield Item(project=PROJECT, run=run, writer=writer, offset=offset, crc=crc, sealed=following is None, data=pack_item(data))
        offset, crc = offset + len(data), crc32(data, crc)
        left = left if following is None else chain([following], left)


def build_metric_names(n: int) -> list[str]:
    """Names of metrics: those of the workload; more of them are numbered."""
    return [METRICS[place % len(METRICS)] + (f"_{place}" if place >= len(METRICS) else "") for place in range(n)]
