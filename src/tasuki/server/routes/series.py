"""Downsampled series for charts (min/max per grid column), and all points of a metric.

Responses are JSON, or a binary frame if the request accepts one.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from litestar import Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from tasuki.client.binary_body import Array, encode_body
from tasuki.records import encode_json_number
from tasuki.server.auth.guards import requires
from tasuki.server.auth.principal import Scope
from tasuki.server.http.problems import HttpProblem
from tasuki.server.http.schemas import Chart, ChartRun, PointsResponse, SeriesResponse, encode_json
from tasuki.server.routes.query_request import Project, QueryRequest, describe_responses
from tasuki.server.workers.reader_pool import ProjectionState
from tasuki.store import ChartColumns, Grid, Queries, build_grid

__all__ = ["SERIES_ROUTES"]

DEFAULT_COLUMNS = 640
MAX_LINES = 2000
INT64 = {"ge": -(2**63), "le": 2**63 - 1}


class SeriesRequest(NamedTuple):
    """Requested step range (None: unbounded) and number of columns."""

    columns: int
    from_step: int | None
    to_step: int | None


class ChartLines:
    """Columns of one metric for several runs, on a common grid."""

    def __init__(self, metric: str, chart_grid: Grid, runs: dict[str, ChartColumns]) -> None:
        self.metric = metric
        self.chart_grid = chart_grid
        self.runs = runs

    def build_header(self) -> dict[str, object]:
        """Return this chart's entry in the header of a binary frame."""
        on = self.chart_grid
        runs = [{"run": run, "n": line.n} for run, line in self.runs.items()]
        return {"metric": self.metric, "columns": on.n, "from_step": on.first, "to_step": on.last, "runs": runs}

    def build_arrays(self) -> list[Array]:
        """Return this chart's arrays of a binary frame, in the order of the header."""
        found: list[Array] = [self.chart_grid.ends]
        with np.errstate(over="ignore"):
            for line in self.runs.values():
                found += [line.min.astype("<f4"), line.max.astype("<f4"), line.last.astype("<f4"), line.nan.astype("u1")]
        return found

    def build_chart(self) -> Chart:
        """Return the chart for a JSON response."""
        on = self.chart_grid
        runs = [
            ChartRun(
                run=run,
                n=line.n,
                min=to_json_numbers(line.min),
                max=to_json_numbers(line.max),
                last=to_json_numbers(line.last),
                nan=line.nan.astype(int).tolist(),
            )
            for run, line in self.runs.items()
        ]
        return Chart(metric=self.metric, columns=on.n, from_step=on.first, to_step=on.last, x=on.ends.tolist(), runs=runs)


def to_json_numbers(values: Array) -> list[float | str | None]:
    """Return values as JSON numbers; null for NaN, which marks a column without a number."""
    return [None if value != value else encode_json_number(value) for value in values.tolist()]


@get("/api/v1/series", summary="Series for charts", opt=requires(Scope.READ), responses=describe_responses(SeriesResponse))
async def series(  # noqa: PLR0913 - each is a parameter of the URL
    query_request: QueryRequest,
    project: Project,
    run: FromQuery[list[str]],
    metric: FromQuery[list[str]],
    columns: Annotated[int, QueryParameter(ge=1, le=10_000, description="The most columns")] = DEFAULT_COLUMNS,
    from_step: Annotated[int | None, QueryParameter(**INT64)] = None,
    to_step: Annotated[int | None, QueryParameter(**INT64)] = None,
) -> Response[bytes]:
    """Return the least, greatest and last value per column, and whether NaN occurred.

    No extreme, NaN or last point is lost. One chart per metric; its runs share one grid over the steps. Runs without values
    of the metric in the range are left out.
    """
    if len(run) * len(metric) > MAX_LINES:
        raise HttpProblem(
            400, f"{len(run)} runs × {len(metric)} metrics are more than {MAX_LINES} lines", hint="ask for fewer at once"
        )
    wanted = SeriesRequest(columns, from_step, to_step)

    def query(queries: Queries, state: ProjectionState) -> bytes:
        ids = [queries.run_id(project, ref) for ref in dict.fromkeys(run)]
        charts = [build_chart_lines(queries, project, ids, name, wanted) for name in dict.fromkeys(metric)]
        if query_request.accepts_frame:
            header = {"series": [chart.build_header() for chart in charts], "missing": state.missing}
            return encode_body(header, [array for chart in charts for array in chart.build_arrays()])
        return encode_json(SeriesResponse(series=[chart.build_chart() for chart in charts], missing=state.missing))

    return await query_request.answer_large(query)


def build_chart_lines(
    queries: Queries, project: str, runs: Sequence[str], metric: str, series_request: SeriesRequest
) -> ChartLines:
    """Build the columns of one metric for several runs.

    The grid depends on the extent of all series, so their sketches are read first, and placed on the grid afterwards.
    """
    part = (series_request.from_step, series_request.to_step)
    found = {run: sketch for run in runs if (sketch := queries.chart_reader(project, run, metric, *part)) is not None}
    on = build_grid([sketch.rollup for sketch in found.values()], series_request.columns, *part)
    placed = {run: sketch.downsample(on) for run, sketch in found.items()}
    return ChartLines(metric, on, {run: line for run, line in placed.items() if line.n})


@get(
    "/api/v1/runs/{id:str}/points",
    summary="All points of a metric",
    opt=requires(Scope.READ),
    responses=describe_responses(PointsResponse),
)
async def points(query_request: QueryRequest, id: FromPath[str], project: Project, metric: FromQuery[str]) -> Response[bytes]:
    """Return every logged point of one metric of a run, by step and time."""

    def query(queries: Queries, state: ProjectionState) -> bytes:
        found = queries.series(project, id, metric)
        n = len(found.steps)
        if query_request.accepts_frame:
            return encode_body({"metric": metric, "n": n, "missing": state.missing}, [found.steps, found.times, found.values])
        values = [encode_json_number(value) for value in found.values.tolist()]
        steps, times = found.steps.tolist(), found.times.tolist()
        return encode_json(PointsResponse(metric=metric, n=n, missing=state.missing, steps=steps, times=times, values=values))

    return await query_request.answer_large(query)


SERIES_ROUTES = [series, points]
