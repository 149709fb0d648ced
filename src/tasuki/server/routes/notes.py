"""Receive and list notes of clients without a journal.

Routes: `POST /api/v1/ingest`, `POST /api/v1/sync`, `GET /api/v1/notes`.
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, QueryParameter

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError
from tasuki.journal import normalize_project_name
from tasuki.records import NoteKind, compute_note_digest
from tasuki.server.auth.guards import forbidden_problem, requires
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.auth.rate_limits import RequestWindow
from tasuki.server.http.body_limits import MAX_JSON_BYTES
from tasuki.server.http.note_payloads import DEFAULT_BRAIN, IngestRequest, PositionedNote, SyncRequest, parse_note, parse_notes
from tasuki.server.http.problems import HttpProblem, Problem
from tasuki.server.http.schemas import (
    NoteAccepted,
    NoteList,
    NoteResult,
    NotesSynced,
)
from tasuki.server.routes.query_request import (
    INT64,
    Cursor,
    Limit,
    Project,
    QueryRequest,
    build_cursor,
    describe_responses,
    parse_cursor,
)
from tasuki.server.workers.reader_pool import ProjectionState
from tasuki.server.workers.server_journal import ServerJournal
from tasuki.store import NoteCursor, NoteFilter, Queries

__all__ = ["NOTE_ROUTES", "notes", "to_storable"]

T = TypeVar("T")
decode_object = msgspec.json.Decoder(dict[str, Any]).decode
PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_RESPONSES = {
    400: ResponseSpec(Problem, description="Not JSON", media_type=PROBLEM_MEDIA_TYPE),
    409: ResponseSpec(Problem, description="An id is taken by a note that says something else", media_type=PROBLEM_MEDIA_TYPE),
    413: ResponseSpec(Problem, description="Too large", media_type=PROBLEM_MEDIA_TYPE),
    422: ResponseSpec(Problem, description="A note is none; nothing is stored", media_type=PROBLEM_MEDIA_TYPE),
    429: ResponseSpec(Problem, description="Wait for Retry-After", media_type=PROBLEM_MEDIA_TYPE),
}


@post("/api/v1/ingest", status_code=200, summary="Note one correction", opt=requires(Scope.LOG), responses={
    200: ResponseSpec(NoteAccepted, description="It is on the disk"), **PROBLEM_RESPONSES,
})  # fmt: skip
async def ingest(
    request: Request[Any, Principal, Any],
    server_journal: ServerJournal,
    brain_rate_limit: RequestWindow,
    brain: Annotated[str, QueryParameter(description="The brain of a bare correction")] = DEFAULT_BRAIN,
) -> Response[bytes]:
    """Store a correction: `{"brain_id", "event_id", "correction": {...}}`, or the correction alone.

    A repeated correction is stored once.
    """
    async with server_journal.receiver.body_reader.read(request, MAX_JSON_BYTES) as body:
        fields = parse_json_object(body)
        asked = convert_payload(
            {"brain_id": brain, **(fields if "correction" in fields else {"correction": fields})}, IngestRequest
        )
        name = authorize_brain(request, asked.brain_id, brain_rate_limit)
        correction = asked.correction | ({"event_id": asked.event_id} if asked.event_id else {})
        try:
            given = parse_note(name, "corrections", 0, correction, SYSTEM_CLOCK.now_us())
        except ValueError as error:  # msgspec.ValidationError is a ValueError, too
            raise HttpProblem(422, f"correction: {error}", hint="docs/api.md, Notes of light clients") from error
        (result,), _ = await append_notes(server_journal, name, [given])
    return build_response(NoteAccepted(event_id=result.event_id, deduplicated=result.deduplicated))


@post("/api/v1/sync", status_code=200, summary="Note what a brain has gathered", opt=requires(Scope.LOG), responses={
    200: ResponseSpec(NotesSynced, description="All of it is on the disk"), **PROBLEM_RESPONSES,
})  # fmt: skip
async def sync(
    request: Request[Any, Principal, Any], server_journal: ServerJournal, brain_rate_limit: RequestWindow
) -> Response[bytes]:
    """Store corrections, lessons, events, rules and a manifest in one transaction.

    A repeated note is stored once.
    """
    async with server_journal.receiver.body_reader.read(request, MAX_JSON_BYTES) as body:
        asked = convert_payload(parse_json_object(body), SyncRequest)
        name = authorize_brain(request, asked.brain_name, brain_rate_limit)
        results, watermark = await append_notes(server_journal, name, parse_notes(name, asked, SYSTEM_CLOCK.now_us()))
    return build_response(NotesSynced(
        corrections_synced=len(asked.corrections),
        lessons_synced=len(asked.lessons),
        events_synced=len(asked.events),
        meta_rules_synced=len(asked.meta_rules),
        ingested_count=sum(not result.deduplicated for result in results),
        new_watermark=watermark,
        results=results,
    ))  # fmt: skip


async def append_notes(
    server_journal: ServerJournal, name: str, positioned_notes: list[PositionedNote]
) -> tuple[list[NoteResult], str]:
    """Append the new notes in one transaction.

    Raise 409, and store nothing, if an id belongs to a different note.
    The brain's lock is held from the lookup of the stored digests to the commit: of two equal requests, the second finds the
    notes of the first. Equal notes within one request are stored once, too.
    """
    brain = server_journal.get_stream(name)
    async with brain.lock:
        known = await server_journal.find_note_digests(brain, [one.note.event_id for one in positioned_notes])
        new, results, conflicts = [], [], []
        for one in positioned_notes:
            digest = compute_note_digest(one.note)
            stands = known.get(one.note.event_id)
            if stands is None:
                known[one.note.event_id] = digest
                new.append(one.note)
            elif stands != digest:
                conflicts.append(f"{one.list_name}[{one.list_index}]: {one.note.event_id}")
            results.append(
                NoteResult(list=one.list_name, index=one.list_index, event_id=one.note.event_id, deduplicated=stands is not None)
            )
        if conflicts:
            raise HttpProblem(
                409, f"ids of notes that say something else: {', '.join(conflicts)}", hint="nothing is stored of this request"
            )
        return results, await server_journal.append(brain, new)


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object. Raise 400 if the body is not one."""
    try:
        return {name: to_storable(value) for name, value in decode_object(body).items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpProblem(400, f"not a JSON object: {error}", hint="docs/api.md, Notes of light clients") from error


def to_storable(value: Any) -> Any:
    """Return the value with integers beyond 64 bits as floats (or texts), since records cannot hold them."""
    match value:
        case int() if not -(2**63) <= value < 2**63:
            return float(value) if abs(value) < 2**1023 else str(value)
        case dict():
            return {key: to_storable(inner) for key, inner in value.items()}
        case list():
            return [to_storable(inner) for inner in value]
    return value


def convert_payload(fields: dict[str, Any], kind: type[T]) -> T:
    """Convert a JSON object to a struct. Raise 422 if it does not match."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise HttpProblem(422, str(error), hint="docs/api.md, Notes of light clients") from error


def authorize_brain(request: Request[Any, Principal, Any], brain: str, rate_limit: RequestWindow) -> str:
    """Return the project name of a brain.

    Raise 403 without scope log on it, 429 for over 600 requests in a minute.
    """
    name = parse_brain_name(brain)
    if not request.auth.has_scope(Scope.LOG, name):
        raise forbidden_problem(request.auth, Scope.LOG, name)
    rate_limit.acquire(name)
    return name


def parse_brain_name(brain: str) -> str:
    """Return the project name of a brain. Raise 422 if the name is invalid."""
    try:
        return normalize_project_name(brain)
    except ConfigError as error:
        raise HttpProblem(422, error.message, hint=error.hint) from error


def build_response(answer: msgspec.Struct) -> Response[bytes]:
    """Build a JSON response."""
    return Response(msgspec.json.encode(answer), media_type="application/json")


@get("/api/v1/notes", summary="Notes", opt=requires(Scope.READ), responses=describe_responses(NoteList))
async def notes(  # noqa: PLR0913 - each is a parameter of the URL
    query_request: QueryRequest,
    brain: Project,
    kind: FromQuery[NoteKind | None] = None,
    since: Annotated[int | None, QueryParameter(**INT64, description="Later than this (microseconds UTC)")] = None,
    search: FromQuery[str | None] = None,
    order: FromQuery[Literal["created", "-created"]] = "created",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return the notes of a brain (a project), by time or newest first.

    `kind`: only this kind. `since`: only later notes (microseconds UTC). `search`: only notes whose texts contain it.
    """
    behind = None if cursor is None else parse_cursor(cursor, NoteCursor)

    def query(queries: Queries, state: ProjectionState) -> NoteList:
        wanted = NoteFilter(kind, since, search)
        page = queries.notes_page(brain, wanted, limit=limit, after=behind, newest_first=order == "-created")
        following = build_cursor(page.next_cursor) if page.next_cursor and len(page.rows) == limit else None
        return NoteList(notes=page.rows, next=following, total=page.total, missing=state.missing)

    return await query_request.answer(query)


NOTE_ROUTES = [notes, ingest, sync]
