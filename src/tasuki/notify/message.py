"""Messages to a target: one alert, or a count of held alerts. docs/alerts.md has the bodies."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from tasuki.clock import datetime_from_us
from tasuki.records import AlertLevel, AlertRow, make_json_safe

__all__ = ["Message", "build_alert_message", "build_summary_message", "build_test_message"]

MAX_TITLE_CHARACTERS = 500
MAX_TEXT_CHARACTERS = 4000
MAX_DATA_BYTES = 20_000
MAX_LISTED = 20


class Message(NamedTuple):
    """One message. `id` is stable across retries; `body` is for webhooks, the other fields for services."""

    id: str
    level: AlertLevel
    title: str
    text: str
    body: dict[str, Any]


def build_alert_message(row: AlertRow, link: str | None) -> Message:
    """Build the message of one alert."""
    title = f"{row.project} · {row.run_name}: {truncate(row.title, MAX_TITLE_CHARACTERS)}"
    seen = [f"{row.metric} is {row.value:g}" if row.metric is not None and row.value is not None else None]
    seen += [None if row.step is None else f"step {row.step}"]
    address = build_run_link(link, row.project, row.run)
    text = "\n".join(filter(None, [truncate(row.text or "", MAX_TEXT_CHARACTERS), " at ".join(filter(None, seen)), address]))
    body = {
        "schema": "tasuki/alert/1",
        "id": row.id,
        "text": f"[{row.level}] {title}",
        "project": row.project,
        "run": {"id": row.run, "name": row.run_name},
        "alert": build_alert_body(row),
        "link": address,
    }
    return Message(row.id, row.level, f"[{row.level}] {title}", text or title, make_json_safe(body))


def build_alert_body(row: AlertRow) -> dict[str, Any]:
    """Return an alert's fields; cut what would make the message too large."""
    return {
        "id": row.id,
        "time": format_time(row.time),
        "level": row.level,
        "title": truncate(row.title, MAX_TITLE_CHARACTERS),
        "text": None if row.text is None else truncate(row.text, MAX_TEXT_CHARACTERS),
        "reason": row.reason,
        "metric": row.metric,
        "value": row.value,
        "step": row.step,
        "data": limit_data(make_json_safe(row.data)),
    }


def build_summary_message(rows: Sequence[AlertRow], link: str | None) -> Message:
    """Build one message of several alerts: counts by level and run, and the first of them."""
    levels = Counter(row.level.value for row in rows)
    runs = Counter((row.project, row.run, row.run_name) for row in rows)
    level = max((row.level for row in rows), key=list(AlertLevel).index)
    title = f"{len(rows)} more alerts: {', '.join(f'{n} {level}' for level, n in levels.most_common())}"
    lines = [f"{n} × {project} · {name}" for (project, _, name), n in runs.most_common(MAX_LISTED)]
    lines += [f"and {len(runs) - MAX_LISTED} more runs"] if len(runs) > MAX_LISTED else []
    body = {
        "schema": "tasuki/alerts-held/1",
        "id": f"{rows[0].id}+{rows[-1].id}",
        "text": f"[{level}] {title}",
        "n": len(rows),
        "levels": dict(levels),
        "runs": [
            {"project": project, "id": run, "name": name, "alerts": n} for (project, run, name), n in runs.most_common(MAX_LISTED)
        ],
        "alerts": [
            {"project": row.project, "run": {"id": row.run, "name": row.run_name}, "alert": build_alert_body(row) | {"data": None}}
            for row in rows[:MAX_LISTED]
        ],
        "link": link,
    }
    return Message(
        str(body["id"]), level, f"[{level}] {title}", "\n".join([*lines, *([link] if link else [])]), make_json_safe(body)
    )


def build_test_message(time: int, link: str | None) -> Message:
    """Build the message that `tasuki notify test` sends."""
    title = "A test: alerts are delivered here"
    body = {"schema": "tasuki/alert-test/1", "id": f"test:{time}", "text": title, "time": format_time(time), "link": link}
    return Message(f"test:{time}", AlertLevel.INFO, title, "Sent by tasuki notify test.", body)


def build_run_link(link: str | None, project: str, run: str) -> str | None:
    """Return the address of a run's page."""
    return link and f"{link.rstrip('/')}/#project={quote(project, safe='')}&runs={quote(run, safe='')}"


def format_time(time: int) -> str:
    """Format a time as ISO 8601 UTC."""
    return datetime_from_us(time).isoformat().replace("+00:00", "Z")


def truncate(text: str, max_characters: int) -> str:
    """Cut a text that is too long, with an ellipsis."""
    return text if len(text) <= max_characters else f"{text[: max_characters - 1]}…"


def limit_data(data: Any) -> Any:
    """Return the data, or its size if it is too large."""
    size = len(msgspec.json.encode(data))
    return data if size <= MAX_DATA_BYTES else {"left_out_bytes": size}
