"""Cache of a run's summaries in one blob, valid while none of them changes.

Rebuilt from `summary` rows.

A run has one while all its summaries are settled. It says nothing that the rows do not say.
"""

from array import array
from collections.abc import Iterator
from itertools import repeat

import apsw
import msgspec
from zlib_ng.zlib_ng import crc32

from tasuki.database.sqlite import fetch_all
from tasuki.errors import StoreCorrupt
from tasuki.records import MetricSummary

__all__ = ["SummaryCache", "cache_summaries"]

SELECT_SUMMARIES = """
SELECT metric.id, n, first, first_step, last, last_step, last_clock, min, min_step, max, max_step
FROM summary JOIN metric ON metric.id = summary.metric WHERE run = ? ORDER BY name
"""
SELECT_METRIC_NAMES = "SELECT name FROM metric WHERE id IN (SELECT value FROM json_each(?)) ORDER BY name"
Numbers = list[float | None]
Steps = list[int | None]
Columns = tuple[bytes, list[int], Numbers, list[int], Numbers, list[int], list[int], Numbers, Steps, Numbers, Steps]
decode_columns = msgspec.msgpack.Decoder(Columns).decode


def cache_summaries(db: apsw.Connection, run: int) -> None:
    """Put the run's summaries, all of which are settled, in one piece."""
    ids, *columns = zip(*fetch_all(db, SELECT_SUMMARIES, (run,)), strict=True)
    data = msgspec.msgpack.encode([array("q", ids).tobytes(), *columns])
    db.execute("INSERT OR REPLACE INTO settled VALUES (?, ?)", (run, crc32(data).to_bytes(4, "little") + data))


class SummaryCache:
    """Reads the pieces of many runs: the names of metrics, which are mostly the same, are looked up once."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.names: dict[bytes, list[str]] = {}

    def decode_summaries(self, run: str, data: bytes) -> Iterator[MetricSummary]:
        """A run's summaries, by metric. StoreCorrupt if the bytes are not what was stored."""
        if crc32(data[4:]) != int.from_bytes(data[:4], "little"):
            raise StoreCorrupt("a run's summaries fail their crc")
        metrics, *columns = decode_columns(data[4:])
        if metrics not in self.names:
            ids = array("q", metrics).tolist()
            self.names[metrics] = [name for (name,) in self.db.execute(SELECT_METRIC_NAMES, (str(ids),))]
        return map(MetricSummary, repeat(run), self.names[metrics], *columns)
