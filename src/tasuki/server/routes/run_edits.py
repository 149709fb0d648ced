"""`PATCH` and `DELETE /api/v1/runs/{id}`, `POST …/stop`: edits of runs.

Each edit is stored as a stream with a single record.
"""

from typing import Any

import msgspec
from litestar import Request, Response, delete, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError
from tasuki.records import RunEdit, StopRequested, encode
from tasuki.server.auth.guards import requires
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.http.body_limits import MAX_JSON_BYTES
from tasuki.server.http.problems import HttpProblem, Problem
from tasuki.server.http.schemas import RunResponse, StopRequestBody, encode_json
from tasuki.server.routes.query_request import Project
from tasuki.server.routes.runs import build_run_response
from tasuki.server.workers.edit_writer import append_edit
from tasuki.server.workers.reader_pool import ReaderPool
from tasuki.server.workers.receiver import StreamReceiver
from tasuki.store import EditBuilder, StopRequestRow, build_deletion, build_update, compute_edit_time

__all__ = ["RUN_EDIT_ROUTES"]

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_RESPONSES = {
    400: ResponseSpec(Problem, description="Not JSON", media_type=PROBLEM_MEDIA_TYPE),
    404: ResponseSpec(Problem, description="There is no such project or run", media_type=PROBLEM_MEDIA_TYPE),
    413: ResponseSpec(Problem, description="Too large", media_type=PROBLEM_MEDIA_TYPE),
    422: ResponseSpec(Problem, description="Not a change", media_type=PROBLEM_MEDIA_TYPE),
    503: ResponseSpec(Problem, description="The disk is full, or the server is stopping", media_type=PROBLEM_MEDIA_TYPE),
}
decode_run_edit = msgspec.json.Decoder(RunEdit).decode
decode_stop_request = msgspec.json.Decoder(StopRequestBody).decode


@patch("/api/v1/runs/{id:str}", status_code=200, summary="Change a run", opt=requires(Scope.WRITE), responses={
    200: ResponseSpec(RunResponse, description="The run as it is then"), **PROBLEM_RESPONSES,
})  # fmt: skip
async def change(
    request: Request[Any, Principal, Any], receiver: StreamReceiver, readers: ReaderPool, id: FromPath[str], project: Project
) -> Response[bytes]:
    """Edit a run's name, group, notes or tags.

    Body: `{"name", "group", "notes", "tags_added": [], "tags_removed": []}`. Missing or null fields keep their values. The
    edit's time is later than every known record of the run.
    """
    async with receiver.body_reader.read(request, MAX_JSON_BYTES) as body:
        edit = parse_run_edit(body)
    before = await read_run(readers, project, id)
    await append_edit(receiver.committer, project, before.id, encode(edit(compute_edit_time(before, SYSTEM_CLOCK))))
    return build_response(await read_run(readers, project, before.id))


@delete("/api/v1/runs/{id:str}", status_code=200, summary="Delete a run", opt=requires(Scope.WRITE), responses={
    200: ResponseSpec(RunResponse, description="The run as it was"), **PROBLEM_RESPONSES,
})  # fmt: skip
async def remove(receiver: StreamReceiver, readers: ReaderPool, id: FromPath[str], project: Project) -> Response[bytes]:
    """Delete a run. Only a tombstone remains; records of the run that arrive later are not shown."""
    before = await read_run(readers, project, id)
    await append_edit(receiver.committer, project, before.id, encode(build_deletion()(compute_edit_time(before, SYSTEM_CLOCK))))
    await readers.run_query(lambda _, reached: reached)
    return build_response(before)


def parse_run_edit(body: bytes) -> EditBuilder:
    """Decode an edit. Raise 400 if the body is not JSON, 422 if it is not a valid edit."""
    try:
        return build_update(decode_run_edit(body))
    except msgspec.ValidationError as error:
        raise HttpProblem(422, str(error), hint="docs/api.md, Changing runs") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HttpProblem(400, f"not a JSON object: {error}", hint="docs/api.md, Changing runs") from error
    except ConfigError as error:
        raise HttpProblem(422, error.message, hint=error.hint) from error


async def read_run(readers: ReaderPool, project: str, ref: str) -> RunResponse:
    """Return the run, after waiting for the projection to catch up."""
    return (await readers.run_query(lambda queries, reached: build_run_response(queries.run(project, ref), reached))).value


def build_response(run: RunResponse) -> Response[bytes]:
    """Build the JSON response of a run."""
    return Response(encode_json(run), media_type="application/json")


@post("/api/v1/runs/{id:str}/stop", status_code=200, summary="Ask a run to stop", opt=requires(Scope.WRITE), responses={
    200: ResponseSpec(RunResponse, description="It was asked, now or before: `stop` says when, why and by whom"),
    400: ResponseSpec(Problem, description="Not a request", media_type=PROBLEM_MEDIA_TYPE),
    404: ResponseSpec(Problem, description="There is no such project or run", media_type=PROBLEM_MEDIA_TYPE),
    409: ResponseSpec(Problem, description="The run is over", media_type=PROBLEM_MEDIA_TYPE),
})  # fmt: skip
async def stop(
    request: Request[Any, Principal, Any], receiver: StreamReceiver, readers: ReaderPool, id: FromPath[str], project: Project
) -> Response[bytes]:
    """Request the latest attempt at a run to stop; body `{"reason", "by"}` or empty.

    The request is on the disk before the response is sent. The process sees it within two seconds, or when it reconnects.
    The first request for an attempt stands.
    """
    async with receiver.body_reader.read(request, MAX_JSON_BYTES) as body:
        asked = parse_stop_request(body)
    row = (await readers.run_query(lambda queries, _: queries.stoppable_run(project, id))).value
    if row.stop is None and row.attempt_id is not None:
        by = request.auth.name or asked.by
        record = StopRequested(
            time=compute_edit_time(row, SYSTEM_CLOCK), attempt=row.attempt_id, reason=asked.reason or None, by=by
        )
        await append_edit(receiver.committer, project, row.id, encode(record))
        receiver.stop_requests.add([StopRequestRow(project, row.id, record.attempt, record.reason, record.by)])
    answer = await readers.run_query(lambda queries, reached: build_run_response(queries.run(project, row.id), reached))
    return Response(encode_json(answer.value), media_type="application/json")


def parse_stop_request(body: bytes) -> StopRequestBody:
    """Decode a stop request; an empty body is a request without reason.

    Raise 400 if the body is malformed.
    """
    try:
        return decode_stop_request(body) if body.strip() else StopRequestBody()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpProblem(400, f"not a request to stop: {error}", hint='{"reason": "diverges"}, or no body') from error


RUN_EDIT_ROUTES = [change, remove, stop]
