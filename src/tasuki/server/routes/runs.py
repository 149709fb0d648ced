"""`GET /api/v1/runs…` and `/api/v1/alerts`: runs, their metrics, histories and texts, and alerts."""

from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from tasuki.errors import NotFound
from tasuki.records import AlertLevel, ResumableRun, RunRow
from tasuki.server.auth.guards import requires
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.http.schemas import (
    AlertList,
    HistoryList,
    MetricList,
    RunList,
    RunResponse,
    TextList,
    encode_json,
)
from tasuki.server.routes.query_request import (
    Cursor,
    LargeLimit,
    Limit,
    Project,
    QueryRequest,
    build_cursor,
    describe_responses,
    paginate,
    parse_cursor,
)
from tasuki.server.workers.reader_pool import ProjectionState, ReaderPool
from tasuki.server.workers.receiver import StreamReceiver, build_empty_item
from tasuki.store import Queries, RunCursor

__all__ = ["RUN_ROUTES", "alerts", "build_run_response", "history", "metrics", "resume", "run", "runs", "texts"]


@get("/api/v1/runs", summary="The runs of a project", opt=requires(Scope.READ), responses=describe_responses(RunList))
async def runs(
    query_request: QueryRequest,
    project: Project,
    ref: FromQuery[list[str] | None] = None,
    order: FromQuery[Literal["created", "-created"]] = "created",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return the runs of a project by creation time, or newest first.

    With `ref`, return only the named runs, in the given order. A `ref` is a run id, a unique prefix of an id, or a unique
    run name.
    """
    behind = None if cursor is None else parse_cursor(cursor, RunCursor)

    def query(queries: Queries, state: ProjectionState) -> RunList:
        if ref is not None:
            named = queries.runs_by_ref(project, ref)
            return RunList(runs=named, total=len(named), missing=state.missing)
        page = queries.runs_page(project, limit=limit, after=behind, newest_first=order == "-created")
        following = build_cursor(page.next_cursor) if page.next_cursor and len(page.rows) == limit else None
        return RunList(runs=page.rows, next=following, total=queries.count_runs(project), missing=state.missing)

    return await query_request.answer(query)


@get("/api/v1/runs/{id:str}", summary="One run", opt=requires(Scope.READ), responses=describe_responses(RunResponse))
async def run(query_request: QueryRequest, id: FromPath[str], project: Project) -> Response[bytes]:
    """Return a run by id, unique prefix of the id, or unique name."""

    def query(queries: Queries, state: ProjectionState) -> RunResponse:
        return build_run_response(queries.run(project, id), state)

    return await query_request.answer(query)


def build_run_response(row: RunRow, state: ProjectionState) -> RunResponse:
    """Build the response struct of a run."""
    return RunResponse(**{name: getattr(row, name) for name in row.__struct_fields__}, missing=state.missing)


@get(
    "/api/v1/runs/{id:str}/metrics",
    summary="The metrics of a run",
    opt=requires(Scope.READ),
    responses=describe_responses(MetricList),
)
async def metrics(query_request: QueryRequest, id: FromPath[str], project: Project) -> Response[bytes]:
    """Return the summary of each metric of a run."""

    def query(queries: Queries, state: ProjectionState) -> MetricList:
        found = queries.summaries(project, [queries.run_id(project, id)])
        return MetricList(metrics=found, total=len(found), missing=state.missing)

    return await query_request.answer(query)


@get(
    "/api/v1/runs/{id:str}/history",
    summary="What a run logged",
    opt=requires(Scope.READ),
    responses=describe_responses(HistoryList),
)
async def history(
    query_request: QueryRequest,
    id: FromPath[str],
    project: Project,
    metric: FromQuery[str | None] = None,
    limit: LargeLimit = 1000,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return one row per `log()` call, by step and time.

    `metric`: only the values of this metric, and the calls that logged it.
    """
    behind = None if cursor is None else parse_cursor(cursor, tuple[int, int, str])

    def query(queries: Queries, state: ProjectionState) -> bytes:
        page = queries.history_page(project, id, metric, limit=limit, after=behind)
        following = build_cursor(page.next_cursor) if page.next_cursor and page.has_more else None
        return encode_json(HistoryList(history=page.rows, next=following, total=page.total, missing=state.missing))

    return await query_request.answer_large(query)


@get("/api/v1/alerts", summary="Alerts", opt=requires(Scope.READ), responses=describe_responses(AlertList))
async def alerts(  # noqa: PLR0913 - each is a parameter of the URL
    query_request: QueryRequest,
    project: Project,
    run: FromQuery[str | None] = None,
    since: Annotated[str | None, QueryParameter(description="A time (microseconds UTC), or the id of an alert")] = None,
    reason: FromQuery[str | None] = None,
    level: Annotated[AlertLevel | None, QueryParameter(description="Of this level or a louder one")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return the alerts of a project or a run in order of arrival; alerts that arrived together by time."""
    behind = parse_since(since)

    def query(queries: Queries, state: ProjectionState) -> AlertList:
        queries.check_project(project)
        of_run = None if run is None else queries.run_id(project, run)
        found = queries.alerts(project, of_run, since=behind, reason=reason, level=level)
        page = paginate(found, lambda row: row.id, limit, cursor)
        return AlertList(alerts=page.rows, next=page.next, total=len(found), missing=state.missing)

    return await query_request.answer(query)


def parse_since(text: str | None) -> int | str | None:
    """Parse `since`: a time (clamped to 64 bits), or an alert id."""
    if text is None or not text.removeprefix("-").isdecimal():
        return text
    return max(min(int(text[:20]), 2**63 - 1), -(2**63))


@get("/api/v1/runs/{id:str}/texts", summary="What a run printed", opt=requires(Scope.READ), responses=describe_responses(TextList))
async def texts(
    query_request: QueryRequest,
    id: FromPath[str],
    project: Project,
    name: FromQuery[str | None] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return the texts of a run in pieces: `stdout` and `stderr` of its program, and `git.diff`.

    `name`: only the text with this name.
    """

    def query(queries: Queries, state: ProjectionState) -> TextList:
        found = queries.texts(project, id, name)
        page = paginate(list(enumerate(found)), lambda row: row[0], limit, cursor)
        return TextList(texts=[row for _, row in page.rows], next=page.next, total=len(found), missing=state.missing)

    return await query_request.answer(query)


@get("/api/v1/runs/{id:str}/resume", summary="A run to resume", opt=requires(Scope.LOG), responses=describe_responses(ResumableRun))
async def resume(
    request: Request[Any, Principal, Any], receiver: StreamReceiver, readers: ReaderPool, id: FromPath[str], project: Project
) -> ResumableRun:
    """Return the next step of the run with this id, or unique prefix of an id.

    Raise 404 also if the token may not send to the run, so as not to reveal that the run exists.
    """

    def query(queries: Queries, _: ProjectionState) -> ResumableRun:
        row = queries.run(project, id)
        if not row.id.startswith(id):  # matched by name, which resuming does not allow
            raise NotFound(f"project {project!r} has no run {id!r}")
        steps = [summary.last_step for summary in queries.summaries(project, [row.id])]
        return ResumableRun(id=row.id, next_step=max(steps, default=-1) + 1)

    found = (await readers.run_query(query)).value
    (permitted,) = await receiver.ownership.are_permitted(request.auth, [build_empty_item(project, found.id)])
    if not permitted:
        raise NotFound(f"project {project!r} has no run {id!r}")
    return found


RUN_ROUTES = [runs, run, resume, metrics, history, alerts, texts]
