"""Routes of projects, overviews and metric summaries."""

from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.params import FromQuery, QueryParameter

from tasuki.server.auth.guards import requires
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.http.schemas import (
    ProjectList,
    ProjectOverviewResponse,
    SummaryList,
)
from tasuki.server.routes.query_request import (
    Cursor,
    LargeLimit,
    Project,
    QueryRequest,
    describe_responses,
    paginate,
)
from tasuki.server.workers.reader_pool import ProjectionState
from tasuki.store import BestRuns, Queries

__all__ = ["PROJECT_ROUTES"]


@get("/api/v1/projects", summary="All projects", opt=requires(Scope.READ), responses=describe_responses(ProjectList))
async def projects(query_request: QueryRequest, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the projects that the token may read, by name."""
    principal: Principal = request.auth

    def query(queries: Queries, state: ProjectionState) -> ProjectList:
        found = [row for row in queries.projects() if principal.has_scope(Scope.READ, row.name)]
        return ProjectList(projects=found, total=len(found), missing=state.missing)

    return await query_request.answer(query)


@get(
    "/api/v1/overview",
    summary="A project at a glance",
    opt=requires(Scope.READ),
    responses=describe_responses(ProjectOverviewResponse),
)
async def overview(query_request: QueryRequest, project: Project) -> Response[bytes]:
    """Return the runs per status, the range of each metric over all runs, and the alerts per level."""

    def query(queries: Queries, state: ProjectionState) -> ProjectOverviewResponse:
        found = queries.overview(project)
        return ProjectOverviewResponse(**{name: getattr(found, name) for name in found.__struct_fields__}, missing=state.missing)

    return await query_request.answer(query)


@get("/api/v1/summaries", summary="Summaries of metrics", opt=requires(Scope.READ), responses=describe_responses(SummaryList))
async def summaries(  # noqa: PLR0913 - each is a parameter of the URL
    query_request: QueryRequest,
    project: Project,
    run: FromQuery[list[str] | None] = None,
    metric: FromQuery[list[str] | None] = None,
    top: Annotated[int | None, QueryParameter(ge=1, le=100_000, description="Only so many, the best")] = None,
    mode: FromQuery[Literal["min", "max"]] = "min",
    by: FromQuery[Literal["last", "min", "max"]] = "last",
    limit: LargeLimit = 10_000,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return the summary of each metric of each run.

    `run`, `metric`: only these run ids and metric names. With `top`, return only the best N, best first: the least
    (`mode=min`) or greatest (`mode=max`), compared by their last, min or max value (`by`).
    """
    best = None if top is None else BestRuns(top, mode, by)

    def query(queries: Queries, state: ProjectionState) -> SummaryList:
        queries.check_project(project)
        found = queries.summaries(project, run, metric, top=best)
        page = paginate(found, lambda row: [row.run, row.metric], limit, cursor)
        return SummaryList(summaries=page.rows, next=page.next, total=len(found), missing=state.missing)

    return await query_request.answer(query)


PROJECT_ROUTES = [projects, overview, summaries]
