"""Runs in a store in memory, made in one line."""

from collections.abc import Iterable
from typing import Any

from tasuki.records import Item, Metrics, Record, RunStarted, RunStatus, Status, encode, encode_frame, pack_item
from tasuki.testing import MemoryStore

BEGAN = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
SECOND = 1_000_000


def add_run(  # noqa: PLR0913 - a run has many facts
    store: MemoryStore,
    run: str,
    calls: Iterable[dict[str, float]] = (),
    *,
    project: str = "digits",
    name: str | None = None,
    config: dict[str, Any] | None = None,
    group: str | None = None,
    more: Iterable[Record] = (),
    status: Status | None = None,
    reason: str | None = None,
) -> None:
    """A run that logs one call a second from step 0, then whatever else, then ends a second later."""
    writer = f"{len(store.received):032x}"
    began = BEGAN + len(store.received)
    records: list[Record] = [RunStarted(time=began, attempt="one", name=name or run, config=config or {}, group=group)]
    records += [Metrics(time=began + step * SECOND, step=step, values=values) for step, values in enumerate(calls)]
    records += more
    if status is not None:
        records.append(RunStatus(time=began + len(records) * SECOND, attempt="one", status=status, reason=reason))
    data = b"".join(encode_frame(encode(record)) for record in records)
    store.append([Item(project=project, run=run, writer=writer, offset=0, crc=0, sealed=True, data=pack_item(data))])
