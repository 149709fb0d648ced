"""Alerts in the order in which they came in, of all projects: what somebody who passes them on has to look at."""

from typing import NamedTuple

import apsw

from tasuki.records import AlertLevel, AlertRow
from tasuki.store.questions import from_json
from tasuki.store.sql import one, rows

__all__ = ["Told", "alerts_told"]

TOLD = """
SELECT alert.writer, alert."offset", run.project, run.id, coalesce(run.name, run.id), alert.time, alert.level, alert.title,
    alert.text, alert.reason, alert.metric, alert.value, alert.step, alert.data
FROM alert CROSS JOIN run ON run.key = alert.run WHERE arrival > ? ORDER BY arrival
"""


class Told(NamedTuple):
    """Alerts, and the number of the last of all that there are."""

    rows: list[AlertRow]
    last: int


def alerts_told(db: apsw.Connection, after: int) -> Told:
    """The alerts behind a number; numbers are of one generation of the store."""
    (last,) = one(db, "SELECT coalesce(max(arrival), 0) FROM alert")
    found = [
        AlertRow(
            id=f"{writer}:{offset}", project=project, run=run, run_name=run_name, time=time, level=AlertLevel(level), title=title,
            text=text, reason=reason, metric=metric, value=None if value is None else float(value), step=step,
            data=None if data is None else from_json(data),
        )
        for writer, offset, project, run, run_name, time, level, title, text, reason, metric, value, step, data in rows(
            db, TOLD, (after,)
        )
    ]  # fmt: skip
    return Told(found, max(last, after))
