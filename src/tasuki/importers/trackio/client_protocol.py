"""Requests of trackio's client, entry by entry. Unknown fields are ignored."""

from typing import Annotated, Any

import msgspec

__all__ = ["AlertEntry", "Entry", "LogEntry", "StatusEntry", "SystemEntry", "UploadEntry", "UploadRef"]

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of every entry: the project, and the run by name and (from some version on) by id."""

    project: str
    run: str | None = None
    run_id: str | None = None
    timestamp: str | None = None


class LogEntry(Entry, frozen=True, kw_only=True):
    """One `log()`; the first of a process has its config."""

    metrics: dict[str, Any]
    step: Int64 | None = None
    config: dict[str, Any] | None = None
    log_id: str | None = None


class SystemEntry(Entry, frozen=True, kw_only=True):
    """One `log_system()`: it has a time and no step."""

    metrics: dict[str, Any]
    log_id: str | None = None


class AlertEntry(Entry, frozen=True, kw_only=True):
    """One `alert()`. The released client sends no `data` yet, nor later fields."""

    title: str
    text: str | None = None
    level: str = "warn"
    step: Int64 | None = None
    alert_id: str | None = None
    data: dict[str, Any] | None = None
    reason: str | None = None
    metric: str | None = None
    value: float | None = None


class StatusEntry(Entry, frozen=True, kw_only=True):
    """The status of a run. No released client sends it yet."""

    status: str
    reason: str | None = None


class UploadRef(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was uploaded before: its upload id and the client's name for it."""

    path: str
    orig_name: str | None = None


class UploadEntry(Entry, frozen=True, kw_only=True):
    """A file of a run at a step or, without a run, of a project in one of its folders."""

    uploaded_file: UploadRef
    step: Int64 | None = None
    relative_path: str | None = None
