"""Alerts of all projects in arrival order, for delivery."""

from typing import NamedTuple

import apsw

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.records import AlertRow
from tasuki.store.queries.content import build_alert_row

__all__ = ["AlertBatch", "alerts_since"]

SELECT_ALERTS_AFTER = """
SELECT run.project, alert.writer, alert."offset", run.id, coalesce(run.name, run.id), alert.time, alert.level, alert.title,
    alert.text, alert.reason, alert.metric, alert.value, alert.step, alert.data
FROM alert CROSS JOIN run ON run.key = alert.run WHERE arrival > ? ORDER BY arrival
"""


class AlertBatch(NamedTuple):
    """Alerts, and the number of the last of all that there are."""

    rows: list[AlertRow]
    last: int


def alerts_since(db: apsw.Connection, after: int) -> AlertBatch:
    """The alerts behind a number; numbers are of one generation of the store."""
    (last,) = fetch_one(db, "SELECT coalesce(max(arrival), 0) FROM alert")
    return AlertBatch([build_alert_row(*row) for row in fetch_all(db, SELECT_ALERTS_AFTER, (after,))], max(last, after))
