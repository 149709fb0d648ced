"""The questions: projects, overviews, runs, metrics, histories, summaries, alerts."""

from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter

from tasuki.errors import NotFound
from tasuki.records import AlertLevel, Known, NoteKind, RunRow
from tasuki.server.auth.guards import needs
from tasuki.server.auth.tokens import Principal, Scope
from tasuki.server.http.problems import Problem
from tasuki.server.http.schemas import (
    AlertList,
    HistoryList,
    MetricList,
    NoteList,
    OverviewAnswer,
    ProjectList,
    RunAnswer,
    RunList,
    SummaryList,
    TextList,
    encoded,
)
from tasuki.server.routes.query_request import Asking, cursor_from, page_of, parse_cursor
from tasuki.server.workers.reader_pool import Reached, Readers
from tasuki.server.workers.receiver import Receiver, of_run
from tasuki.store import Behind, NotesBehind, Questions, Top, Wanted

__all__ = ["QUESTIONS", "answers", "run_answer"]

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="The most rows of a page")]
LargeLimit = Annotated[int, QueryParameter(ge=1, le=100_000, description="The most rows of a page")]
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before")]
Project = FromQuery[str]
INT64 = {"ge": -(2**63), "le": 2**63 - 1}


def answers(kind: Any, *media_types: str) -> dict[int, ResponseSpec]:
    """What OpenAPI says of a question's answers."""
    problem = "application/problem+json"
    return {
        200: ResponseSpec(kind, description="The answer", media_type=media_types[0] if media_types else "application/json"),
        304: ResponseSpec(None, description="It is what If-None-Match names"),
        400: ResponseSpec(Problem, description="A parameter is wrong", media_type=problem),
        404: ResponseSpec(Problem, description="There is no such project, run or metric", media_type=problem),
    }


@get("/api/v1/projects", summary="All projects", opt=needs(Scope.READ), responses=answers(ProjectList))
async def projects(asking: Asking, request: Request[Any, Any, Any]) -> Response[bytes]:
    """All projects that may be read, by name."""
    principal: Principal = request.auth

    def question(questions: Questions, reached: Reached) -> ProjectList:
        found = [row for row in questions.projects() if principal.may(Scope.READ, row.name)]
        return ProjectList(projects=found, total=len(found), missing=reached.missing)

    return await asking.answer(question)


@get("/api/v1/overview", summary="A project at a glance", opt=needs(Scope.READ), responses=answers(OverviewAnswer))
async def overview(asking: Asking, project: Project) -> Response[bytes]:
    """How many runs of each status, the range of each metric over all runs, how many alerts of each level."""

    def question(questions: Questions, reached: Reached) -> OverviewAnswer:
        found = questions.overview(project)
        return OverviewAnswer(**{name: getattr(found, name) for name in found.__struct_fields__}, missing=reached.missing)

    return await asking.answer(question)


@get("/api/v1/runs", summary="The runs of a project", opt=needs(Scope.READ), responses=answers(RunList))
async def runs(
    asking: Asking,
    project: Project,
    ref: FromQuery[list[str] | None] = None,
    order: FromQuery[Literal["created", "-created"]] = "created",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """A project's runs, in the order they were created, or newest first; with `ref` those named, in that order.

    A `ref` is an id, a unique beginning of one, or a name that no other run has.
    """
    behind = None if cursor is None else parse_cursor(cursor, Behind)

    def question(questions: Questions, reached: Reached) -> RunList:
        if ref is not None:
            named = questions.named(project, ref)
            return RunList(runs=named, total=len(named), missing=reached.missing)
        page = questions.runs_page(project, limit=limit, behind=behind, newest_first=order == "-created")
        following = cursor_from(page.end) if page.end and len(page.rows) == limit else None
        return RunList(runs=page.rows, next=following, total=questions.count_runs(project), missing=reached.missing)

    return await asking.answer(question)


@get("/api/v1/runs/{id:str}", summary="One run", opt=needs(Scope.READ), responses=answers(RunAnswer))
async def run(asking: Asking, id: FromPath[str], project: Project) -> Response[bytes]:
    """One run, by id, by a unique beginning of its id, or by a name that no other run has."""

    def question(questions: Questions, reached: Reached) -> RunAnswer:
        return run_answer(questions.run(project, id), reached)

    return await asking.answer(question)


def run_answer(row: RunRow, reached: Reached) -> RunAnswer:
    """One run as it is answered."""
    return RunAnswer(**{name: getattr(row, name) for name in row.__struct_fields__}, missing=reached.missing)


@get("/api/v1/runs/{id:str}/metrics", summary="The metrics of a run", opt=needs(Scope.READ), responses=answers(MetricList))
async def metrics(asking: Asking, id: FromPath[str], project: Project) -> Response[bytes]:
    """The summary of each metric of a run."""

    def question(questions: Questions, reached: Reached) -> MetricList:
        found = questions.summaries(project, [questions.id(project, id)])
        return MetricList(metrics=found, total=len(found), missing=reached.missing)

    return await asking.answer(question)


@get("/api/v1/runs/{id:str}/history", summary="What a run logged", opt=needs(Scope.READ), responses=answers(HistoryList))
async def history(
    asking: Asking,
    id: FromPath[str],
    project: Project,
    metric: FromQuery[str | None] = None,
    limit: LargeLimit = 1000,
    cursor: Cursor = None,
) -> Response[bytes]:
    """A row per `log()` call, by step and time; with `metric` only the calls that logged it, and only its value."""
    behind = None if cursor is None else parse_cursor(cursor, tuple[int, int, str])

    def question(questions: Questions, reached: Reached) -> bytes:
        page = questions.history_page(project, id, metric, limit=limit, behind=behind)
        following = cursor_from(page.end) if page.end and page.more else None
        return encoded(HistoryList(history=page.rows, next=following, total=page.total, missing=reached.missing))

    return await asking.answer_large(question)


@get("/api/v1/summaries", summary="Summaries of metrics", opt=needs(Scope.READ), responses=answers(SummaryList))
async def summaries(  # noqa: PLR0913 - each is a parameter of the URL
    asking: Asking,
    project: Project,
    run: FromQuery[list[str] | None] = None,
    metric: FromQuery[list[str] | None] = None,
    top: Annotated[int | None, QueryParameter(ge=1, le=100_000, description="Only so many, the best")] = None,
    mode: FromQuery[Literal["min", "max"]] = "min",
    by: FromQuery[Literal["last", "min", "max"]] = "last",
    limit: LargeLimit = 10_000,
    cursor: Cursor = None,
) -> Response[bytes]:
    """The summary of each metric of each run: of all, or of the run ids and metric names given.

    With `top` only the best of them, the best first: the least (`mode=min`) or the greatest (`mode=max`) by their last, min or max.
    """
    best = None if top is None else Top(top, mode, by)

    def question(questions: Questions, reached: Reached) -> SummaryList:
        questions.check_project(project)
        found = questions.summaries(project, run, metric, top=best)
        page = page_of(found, lambda row: [row.run, row.metric], limit, cursor)
        return SummaryList(summaries=page.rows, next=page.next, total=len(found), missing=reached.missing)

    return await asking.answer(question)


@get("/api/v1/alerts", summary="Alerts", opt=needs(Scope.READ), responses=answers(AlertList))
async def alerts(  # noqa: PLR0913 - each is a parameter of the URL
    asking: Asking,
    project: Project,
    run: FromQuery[str | None] = None,
    since: Annotated[str | None, QueryParameter(description="A time (microseconds UTC), or the id of an alert")] = None,
    reason: FromQuery[str | None] = None,
    level: Annotated[AlertLevel | None, QueryParameter(description="Of this level or a louder one")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """The alerts of a project or of one run, in the order in which they arrived here; those of one moment by time."""
    behind = parse_since(since)

    def question(questions: Questions, reached: Reached) -> AlertList:
        questions.check_project(project)
        of_run = None if run is None else questions.id(project, run)
        found = questions.alerts(project, of_run, since=behind, reason=reason, level=level)
        page = page_of(found, lambda row: row.id, limit, cursor)
        return AlertList(alerts=page.rows, next=page.next, total=len(found), missing=reached.missing)

    return await asking.answer(question)


def parse_since(text: str | None) -> int | str | None:
    """A time, or an alert's id."""
    if text is None or not text.removeprefix("-").isdecimal():
        return text
    return max(min(int(text[:20]), 2**63 - 1), -(2**63))


@get("/api/v1/runs/{id:str}/texts", summary="What a run printed", opt=needs(Scope.READ), responses=answers(TextList))
async def texts(
    asking: Asking,
    id: FromPath[str],
    project: Project,
    name: FromQuery[str | None] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """What a run has kept as text, piece by piece: `stdout` and `stderr` of its program, `git.diff`; with `name` only that."""

    def question(questions: Questions, reached: Reached) -> TextList:
        found = questions.texts(project, id, name)
        page = page_of(list(enumerate(found)), lambda row: row[0], limit, cursor)
        return TextList(texts=[row for _, row in page.rows], next=page.next, total=len(found), missing=reached.missing)

    return await asking.answer(question)


@get("/api/v1/notes", summary="Notes", opt=needs(Scope.READ), responses=answers(NoteList))
async def notes(  # noqa: PLR0913 - each is a parameter of the URL
    asking: Asking,
    brain: Project,
    kind: FromQuery[NoteKind | None] = None,
    since: Annotated[int | None, QueryParameter(**INT64, description="Later than this (microseconds UTC)")] = None,
    search: FromQuery[str | None] = None,
    order: FromQuery[Literal["created", "-created"]] = "created",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """The notes of a brain (a project), by time or newest first: of a kind, later than `since`, with `search` in their texts."""
    behind = None if cursor is None else parse_cursor(cursor, NotesBehind)

    def question(questions: Questions, reached: Reached) -> NoteList:
        wanted = Wanted(kind, since, search)
        page = questions.notes_page(brain, wanted, limit=limit, behind=behind, newest_first=order == "-created")
        following = cursor_from(page.end) if page.end and len(page.rows) == limit else None
        return NoteList(notes=page.rows, next=following, total=page.total, missing=reached.missing)

    return await asking.answer(question)


@get("/api/v1/runs/{id:str}/resume", summary="A run to resume", opt=needs(Scope.LOG), responses=answers(Known))
async def resume(
    request: Request[Any, Principal, Any], receiver: Receiver, readers: Readers, id: FromPath[str], project: Project
) -> Known:
    """The run of this id, or of the only id that begins so, for those who may send to it: where its next attempt goes on."""

    def question(questions: Questions, _: Reached) -> Known:
        row = questions.run(project, id)
        if not row.id.startswith(id):  # it was found by its name
            raise NotFound(f"project {project!r} has no run {id!r}")
        steps = [summary.last_step for summary in questions.summaries(project, [row.id])]
        return Known(id=row.id, next_step=max(steps, default=-1) + 1)

    found = (await readers.ask(question)).value
    (permitted,) = await receiver.authority.permitted(request.auth, [of_run(project, found.id)])
    if not permitted:
        raise NotFound(f"project {project!r} has no run {id!r}")
    return found


QUESTIONS = [projects, overview, runs, run, resume, metrics, history, summaries, alerts, texts, notes]
