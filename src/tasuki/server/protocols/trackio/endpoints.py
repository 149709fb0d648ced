"""Endpoints of trackio's client protocol: `POST /api/{name}`, `POST /api/upload` and `GET /version`.

A response is `{"data": ...}`, or `{"error": text}` with the HTTP status of the error.
"""

import asyncio
import mimetypes
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import FromPath

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError
from tasuki.importers.trackio.client_protocol import Entry, LogEntry, UploadEntry
from tasuki.importers.trackio.entry_mapping import base_name, map_run_id
from tasuki.journal import normalize_project_name
from tasuki.records import File, make_json_safe
from tasuki.server.auth.guards import ANY_TOKEN, requires
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.http.problems import HttpProblem, problem_from
from tasuki.server.protocols.trackio import queries as reading
from tasuki.server.protocols.trackio import requests as asked
from tasuki.server.protocols.trackio.call_context import CallContext
from tasuki.server.protocols.trackio.client_streams import ClientStreams, RunKey
from tasuki.server.protocols.trackio.dedup import hash_id
from tasuki.server.protocols.trackio.run_state import Delivery
from tasuki.server.protocols.trackio.uploads import MAX_UPLOAD_BYTES, Uploads
from tasuki.server.workers.reader_pool import ReaderPool
from tasuki.server.workers.receiver import StreamReceiver

__all__ = ["MAX_CALL_BYTES", "TRACKIO_ROUTES"]

MAX_CALL_BYTES = 64 * 1024 * 1024
"""What a client could not send for a while it sends in one call."""
API_VERSION = 1
JSON = "application/json"
Deliveries = dict[RunKey, list[Delivery]]


# -- calls that write


async def bulk_log(context: CallContext, arguments: asked.BulkLog) -> None:
    """Store logs of any runs."""
    await deliver_entries(context, arguments.logs, lambda entry: build_entry_id("log", entry.log_id))


async def bulk_log_system(context: CallContext, arguments: asked.BulkLogSystem) -> None:
    """Store system metrics of any runs."""
    await deliver_entries(context, arguments.logs, lambda entry: build_entry_id("system", entry.log_id))


async def bulk_alert(context: CallContext, arguments: asked.BulkAlert) -> None:
    """Store alerts of any runs."""
    await deliver_entries(context, arguments.alerts, lambda entry: build_entry_id("alert", entry.alert_id))


async def bulk_run_status(context: CallContext, arguments: asked.BulkRunStatus) -> None:
    """Store statuses of any runs."""
    await deliver_entries(context, arguments.statuses, lambda _: None)


async def log(context: CallContext, arguments: asked.LogArguments) -> None:
    """Store one log."""
    entry = LogEntry(
        project=arguments.project, run=arguments.run, run_id=arguments.run_id, metrics=arguments.metrics, step=arguments.step
    )
    await deliver_entries(context, [entry], lambda _: None)


async def bulk_upload_media(context: CallContext, arguments: asked.BulkUpload) -> None:
    """Assign uploaded files to a run and step, or to a folder of a project."""
    now = SYSTEM_CLOCK.now_us()
    found: Deliveries = defaultdict(list)
    for entry in arguments.uploads:
        file = build_file_record(entry, context.uploads, now)
        id = hash_id("file", f"{file.path} {file.step} {file.sha256}")
        found[build_run_key(entry, is_project_level=not entry.run and not entry.run_id)].append(Delivery(file, entry.run, id))
    await context.streams.deliver(context.principal, found)


async def deliver_entries(context: CallContext, entries: Sequence[Any], build_id: Callable[[Any], bytes | None]) -> None:
    """Group entries by run and store them."""
    found: Deliveries = defaultdict(list)
    keys: dict[tuple[str, str | None, str | None], RunKey] = {}
    for entry in entries:
        words = (entry.project, entry.run, entry.run_id)
        if words not in keys:
            keys[words] = build_run_key(entry)
        found[keys[words]].append(Delivery(entry, entry.run, build_id(entry)))
    await context.streams.deliver(context.principal, found)


def build_entry_id(kind: str, client_id: str | None) -> bytes | None:
    """Return the delivery id of an entry, or None if the client sent no id."""
    return None if client_id is None else hash_id(kind, client_id)


def build_run_key(entry: Entry, *, is_project_level: bool = False) -> RunKey:
    """Return the project and run of an entry; without run if `is_project_level`.

    Raise 400 if a name is invalid.
    """
    try:
        return RunKey(normalize_project_name(entry.project), "" if is_project_level else map_run_id(entry.run, entry.run_id))
    except ConfigError as error:
        raise HttpProblem(400, error.message, hint=error.hint) from error


def build_file_record(entry: UploadEntry, uploads: Uploads, now: int) -> File:
    """Build the record of an uploaded file, named as the run's logs refer to it.

    The path is a name, never opened.
    """
    staged = uploads.find(entry.uploaded_file.path)
    name = base_name(entry.uploaded_file.orig_name or "") or base_name(staged.name) or staged.blob.sha256[:16]
    folder = PurePosixPath((entry.relative_path or "").replace("\\", "/"))
    path = name if entry.run or entry.run_id else "/".join([part for part in folder.parts if part not in {"..", "/"}] + [name])
    media_type, _ = mimetypes.guess_type(name)
    return File(
        time=now, path=path, step=entry.step, sha256=staged.blob.sha256, size=staged.blob.size,
        media_type=media_type or "application/octet-stream",
    )  # fmt: skip


CALLS: dict[str, tuple[type[asked.CallArguments], Callable[[CallContext, Any], Awaitable[Any]]]] = {
    "log": (asked.LogArguments, log),
    "bulk_log": (asked.BulkLog, bulk_log),
    "bulk_log_system": (asked.BulkLogSystem, bulk_log_system),
    "bulk_alert": (asked.BulkAlert, bulk_alert),
    "bulk_run_status": (asked.BulkRunStatus, bulk_run_status),
    "bulk_upload_media": (asked.BulkUpload, bulk_upload_media),
    "get_all_projects": (asked.NoArguments, reading.all_projects),
    "get_runs_for_project": (asked.ProjectArguments, reading.runs_for_project),
    "get_project_summary": (asked.ProjectArguments, reading.project_summary),
    "get_run_summary": (asked.RunArguments, reading.run_summary),
    "get_metrics_for_run": (asked.RunArguments, reading.metrics_for_run),
    "get_alerts": (asked.AlertArguments, reading.alerts),
}


# -- routes


def build_error_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Return an error in the format of trackio's client."""
    del request
    problem, headers = problem_from(error)
    text = f"{problem.detail} ({problem.hint})" if problem.hint else problem.detail
    body = msgspec.json.encode({"error": text, "hint": problem.hint})
    return Response(body, status_code=problem.status, media_type=JSON, headers=headers)


@get("/version", opt=requires(ANY_TOKEN))
async def version() -> dict[str, Any]:
    """Return the protocol version; trackio's client requests it first."""
    return {"api_version": API_VERSION, "api_transport": "http", "writes_paused": False, "server": "tasuki"}


@post("/api/upload", status_code=200, opt=requires(Scope.LOG), request_max_body_size=MAX_UPLOAD_BYTES)
async def upload(request: Request[Any, Principal, Any], uploads: Uploads) -> dict[str, list[str]]:
    """Receive files. Return an upload id for each, which a later `bulk_upload_media` call refers to."""
    return {"paths": await uploads.receive(request)}


@post("/api/{name:str}", status_code=200, opt=requires(ANY_TOKEN), request_max_body_size=MAX_CALL_BYTES)
async def call(
    request: Request[Any, Principal, Any],
    name: FromPath[str],
    receiver: StreamReceiver,
    client_streams: ClientStreams,
    uploads: Uploads,
    readers: ReaderPool,
) -> Response[bytes]:
    """Handle one call. Written records are on the disk before the response is sent."""
    if name not in CALLS:
        raise HttpProblem(404, f"there is no {name[:100]!r} here", hint="docs/trackio.md lists what trackio's client may call")
    kind, action = CALLS[name]
    principal = request.auth
    receiver.bandwidth_limit.check(principal.name)
    async with receiver.body_reader.read(request, MAX_CALL_BYTES) as body:
        if principal.token_id:
            receiver.bandwidth_limit.spend(principal.name, len(body))
        given = await asyncio.to_thread(asked.parse_arguments, body, kind)
        data = await action(CallContext(principal, client_streams, uploads, readers, receiver.ownership.tokens), given)
    return Response(msgspec.json.encode({"data": make_json_safe(msgspec.to_builtins(data))}), media_type=JSON)


TRACKIO_ROUTES = [
    Router(
        "/", route_handlers=[version, upload, call], exception_handlers={Exception: build_error_response}, include_in_schema=False
    )
]
