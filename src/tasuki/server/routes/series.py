"""Series for charts (min/max per column of one grid) and points for programs, as JSON or as a frame."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from litestar import Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from tasuki.client.binary_body import Array, frame_from
from tasuki.records import json_number
from tasuki.server.auth.guards import needs
from tasuki.server.auth.principal import Scope
from tasuki.server.http.problems import HttpProblem
from tasuki.server.http.schemas import Chart, ChartRun, PointsResponse, SeriesResponse, encoded
from tasuki.server.routes.query_request import Project, QueryRequest, answers
from tasuki.server.workers.reader_pool import ProjectionState
from tasuki.store import ChartColumns, Grid, Queries, grid

__all__ = ["SERIES_ROUTES"]

COLUMNS = 640
MOST_LINES = 2000
INT64 = {"ge": -(2**63), "le": 2**63 - 1}


class SeriesRequest(NamedTuple):
    """What part of series is wanted, in how many columns."""

    columns: int
    from_step: int | None
    to_step: int | None


class ChartLines:
    """One metric of some runs, on one grid."""

    def __init__(self, metric: str, on: Grid, runs: dict[str, ChartColumns]) -> None:
        self.metric = metric
        self.grid = on
        self.runs = runs

    def header(self) -> dict[str, object]:
        """What a frame's header says of it."""
        on = self.grid
        runs = [{"run": run, "n": line.n} for run, line in self.runs.items()]
        return {"metric": self.metric, "columns": on.n, "from_step": on.first, "to_step": on.last, "runs": runs}

    def arrays(self) -> list[Array]:
        """What a frame has of it."""
        found: list[Array] = [self.grid.ends]
        with np.errstate(over="ignore"):
            for line in self.runs.values():
                found += [line.min.astype("<f4"), line.max.astype("<f4"), line.last.astype("<f4"), line.nan.astype("u1")]
        return found

    def chart(self) -> Chart:
        """The same for JSON."""
        on = self.grid
        runs = [
            ChartRun(
                run=run,
                n=line.n,
                min=numbers(line.min),
                max=numbers(line.max),
                last=numbers(line.last),
                nan=line.nan.astype(int).tolist(),
            )
            for run, line in self.runs.items()
        ]
        return Chart(metric=self.metric, columns=on.n, from_step=on.first, to_step=on.last, x=on.ends.tolist(), runs=runs)


def numbers(values: Array) -> list[float | str | None]:
    """For JSON: null for no number."""
    return [None if value != value else json_number(value) for value in values.tolist()]


@get("/api/v1/series", summary="Series for charts", opt=needs(Scope.READ), responses=answers(SeriesResponse))
async def series(  # noqa: PLR0913 - each is a parameter of the URL
    asking: QueryRequest,
    project: Project,
    run: FromQuery[list[str]],
    metric: FromQuery[list[str]],
    columns: Annotated[int, QueryParameter(ge=1, le=10_000, description="The most columns")] = COLUMNS,
    from_step: Annotated[int | None, QueryParameter(**INT64)] = None,
    to_step: Annotated[int | None, QueryParameter(**INT64)] = None,
) -> Response[bytes]:
    """The least, the greatest and the last value per column, and whether there was NaN: every extreme, NaN and last point survives.

    A chart per metric; all its runs share one grid over the steps. Runs that have not logged the metric there are left out.
    """
    if len(run) * len(metric) > MOST_LINES:
        raise HttpProblem(
            400, f"{len(run)} runs × {len(metric)} metrics are more than {MOST_LINES} lines", hint="ask for fewer at once"
        )
    wanted = SeriesRequest(columns, from_step, to_step)

    def question(questions: Queries, reached: ProjectionState) -> bytes:
        ids = [questions.id(project, ref) for ref in dict.fromkeys(run)]
        charts = [lines(questions, project, ids, name, wanted) for name in dict.fromkeys(metric)]
        if asking.frame:
            header = {"series": [chart.header() for chart in charts], "missing": reached.missing}
            return frame_from(header, [array for chart in charts for array in chart.arrays()])
        return encoded(SeriesResponse(series=[chart.chart() for chart in charts], missing=reached.missing))

    return await asking.answer_large(question)


def lines(questions: Queries, project: str, runs: Sequence[str], metric: str, wanted: SeriesRequest) -> ChartLines:
    """One metric of some runs."""
    part = (wanted.from_step, wanted.to_step)
    found = {run: sketch for run in runs if (sketch := questions.sketch(project, run, metric, *part)) is not None}
    on = grid([sketch.outline for sketch in found.values()], wanted.columns, *part)
    placed = {run: sketch.on(on) for run, sketch in found.items()}
    return ChartLines(metric, on, {run: line for run, line in placed.items() if line.n})


@get("/api/v1/runs/{id:str}/points", summary="All points of a metric", opt=needs(Scope.READ), responses=answers(PointsResponse))
async def points(asking: QueryRequest, id: FromPath[str], project: Project, metric: FromQuery[str]) -> Response[bytes]:
    """Every point of one metric of one run, by step and time, as it was logged."""

    def question(questions: Queries, reached: ProjectionState) -> bytes:
        found = questions.series(project, id, metric)
        n = len(found.steps)
        if asking.frame:
            return frame_from({"metric": metric, "n": n, "missing": reached.missing}, [found.steps, found.times, found.values])
        values = [json_number(value) for value in found.values.tolist()]
        steps, times = found.steps.tolist(), found.times.tolist()
        return encoded(PointsResponse(metric=metric, n=n, missing=reached.missing, steps=steps, times=times, values=values))

    return await asking.answer_large(question)


SERIES_ROUTES = [series, points]
