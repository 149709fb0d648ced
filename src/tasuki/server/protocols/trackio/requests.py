"""Arguments of the calls of trackio's client, positional or by name."""

from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from tasuki.importers.trackio.client_protocol import AlertEntry, LogEntry, StatusEntry, SystemEntry, UploadEntry
from tasuki.server.http.problems import HttpProblem

__all__ = [
    "AlertArguments",
    "BulkAlert",
    "BulkLog",
    "BulkLogSystem",
    "BulkRunStatus",
    "BulkUpload",
    "CallArguments",
    "LogArguments",
    "NoArguments",
    "ProjectArguments",
    "RunArguments",
    "parse_arguments",
]

A = TypeVar("A", bound="CallArguments")


class CallArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Arguments of a call; the field order is the order of positional arguments."""


class BulkLog(CallArguments, frozen=True, kw_only=True):
    """Arguments of `bulk_log`."""

    logs: list[LogEntry]


class BulkLogSystem(CallArguments, frozen=True, kw_only=True):
    """Arguments of `bulk_log_system`."""

    logs: list[SystemEntry]


class BulkAlert(CallArguments, frozen=True, kw_only=True):
    """Arguments of `bulk_alert`."""

    alerts: list[AlertEntry]


class BulkRunStatus(CallArguments, frozen=True, kw_only=True):
    """Arguments of `bulk_run_status`."""

    statuses: list[StatusEntry]


class BulkUpload(CallArguments, frozen=True, kw_only=True):
    """Arguments of `bulk_upload_media`."""

    uploads: list[UploadEntry]


class LogArguments(CallArguments, frozen=True, kw_only=True):
    """Arguments of `log`."""

    project: str
    run: str | None = None
    metrics: dict[str, Any]
    step: int | None = None
    hf_token: str | None = None
    run_id: str | None = None


class NoArguments(CallArguments, frozen=True, kw_only=True):
    """Arguments of `get_all_projects`, which has none."""


class ProjectArguments(CallArguments, frozen=True, kw_only=True):
    """Arguments of `get_runs_for_project` and `get_project_summary`."""

    project: str


class RunArguments(CallArguments, frozen=True, kw_only=True):
    """Arguments of `get_run_summary` and `get_metrics_for_run`."""

    project: str
    run: str | None = None
    run_id: str | None = None


class AlertArguments(CallArguments, frozen=True, kw_only=True):
    """Arguments of `get_alerts`."""

    project: str
    run: str | None = None
    run_id: str | None = None
    level: str | None = None
    since: str | None = None


class Call(msgspec.Struct, Generic[A], frozen=True, kw_only=True):
    """A call with keyword arguments only."""

    kwargs: A
    args: list[Any] = []


class LooseCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call with positional and keyword arguments, not yet validated."""

    args: list[Any] = []
    kwargs: dict[str, Any] = {}


@cache
def get_decoder(kind: type[A]) -> msgspec.json.Decoder[Call[A]]:
    """Return the decoder for calls with these arguments."""
    return msgspec.json.Decoder(Call[kind])  # type: ignore[valid-type]


def parse_arguments(body: bytes, kind: type[A]) -> A:
    """Decode the arguments of a call.

    Raise 400 if the body is not JSON, or an argument is missing or invalid.
    """
    try:
        call: Call[A] = get_decoder(kind).decode(body)
        if not call.args:
            return call.kwargs
    except msgspec.ValidationError:
        pass  # an argument may be positional: decode again below, without types, and assign names
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpProblem(400, f"the call is not JSON: {error}") from error
    try:
        loose = msgspec.json.decode(body, type=LooseCall)
        found = msgspec.convert(dict(zip(kind.__struct_fields__, loose.args, strict=False)) | loose.kwargs, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise HttpProblem(400, f"the call can't be understood: {error}", hint="docs/trackio.md") from error
    return found
