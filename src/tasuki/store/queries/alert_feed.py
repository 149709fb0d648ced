"""Alerts in the order in which they came in, of all projects: what somebody who passes them on has to look at."""

from typing import NamedTuple

import apsw

from tasuki.database.sqlite import one, rows
from tasuki.records import AlertRow
from tasuki.store.queries.content import alert_row

__all__ = ["AlertBatch", "alerts_told"]

TOLD = """
SELECT run.project, alert.writer, alert."offset", run.id, coalesce(run.name, run.id), alert.time, alert.level, alert.title,
    alert.text, alert.reason, alert.metric, alert.value, alert.step, alert.data
FROM alert CROSS JOIN run ON run.key = alert.run WHERE arrival > ? ORDER BY arrival
"""


class AlertBatch(NamedTuple):
    """Alerts, and the number of the last of all that there are."""

    rows: list[AlertRow]
    last: int


def alerts_told(db: apsw.Connection, after: int) -> AlertBatch:
    """The alerts behind a number; numbers are of one generation of the store."""
    (last,) = one(db, "SELECT coalesce(max(arrival), 0) FROM alert")
    return AlertBatch([alert_row(*row) for row in rows(db, TOLD, (after,))], max(last, after))
