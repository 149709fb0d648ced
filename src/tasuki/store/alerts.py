"""Alerts as they come in, of all projects: what somebody who passes them on has to look at."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from tasuki.records import AlertLevel, AlertRow
from tasuki.store.events import event_span
from tasuki.store.questions import from_json
from tasuki.store.sql import rows

__all__ = ["Told", "alerts_told"]

COLUMNS = """
alert.writer, alert."offset", run.project, run.id, coalesce(run.name, run.id), alert.time, alert.level, alert.title, alert.text,
alert.reason, alert.metric, alert.value, alert.step, alert.data
"""
ALL = f'SELECT {COLUMNS} FROM alert JOIN run ON run.key = alert.run ORDER BY alert.clock, alert.writer, alert."offset"'
NEW = f"""
SELECT {COLUMNS} FROM (
    SELECT DISTINCT json_extract(data, '$.id') AS id FROM event WHERE type = 'alert' AND sequence > ?
) told
CROSS JOIN alert ON alert.writer = substr(told.id, 1, instr(told.id, ':') - 1)
    AND alert."offset" = CAST(substr(told.id, instr(told.id, ':') + 1) AS INTEGER)
CROSS JOIN run ON run.key = alert.run ORDER BY alert.clock, alert.writer, alert."offset"
"""


class Told(NamedTuple):
    """Alerts by time, the last event that they were told of in, and whether these are all alerts that there are."""

    rows: list[AlertRow]
    last: int
    all_there_are: bool


def alerts_told(db: apsw.Connection, after: int | None = None) -> Told:
    """The alerts told of in events behind `after`; all, where these events are not kept any more."""
    span = event_span(db)
    if after is None or not span.first - 1 <= after <= span.last:
        return Told(alert_rows(rows(db, ALL)), span.last, True)
    return Told(alert_rows(rows(db, NEW, (after,))) if after < span.last else [], span.last, False)


def alert_rows(found: Iterable[Any]) -> list[AlertRow]:
    """Alerts from their rows."""
    return [
        AlertRow(
            id=f"{writer}:{offset}", project=project, run=run, run_name=run_name, time=time, level=AlertLevel(level), title=title,
            text=text, reason=reason, metric=metric, value=value, step=step, data=None if data is None else from_json(data),
        )
        for writer, offset, project, run, run_name, time, level, title, text, reason, metric, value, step, data in found
    ]  # fmt: skip
