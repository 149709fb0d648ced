"""The command `tasuki best`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.run.tables import run_to_dict, summary_to_dict
from tasuki.cli.shared.completers import complete_metric
from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Remote, open_query_target
from tasuki.cli.shared.output import Table, write_result

if TYPE_CHECKING:
    pass

__all__ = ["EXAMPLES", "best", "show_best"]

EXAMPLES = """\
tasuki best val/acc --mode max --top 5
tasuki best val/loss --by min --json"""


def best(  # noqa: PLR0913 - what is best, and of what
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="Name of the metric.", autocompletion=complete_metric)],
    mode: Annotated[str, typer.Option("--mode", metavar="min|max", help="min: lower is better; max: higher is better.")] = "min",
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="Show the best N runs.")] = 10,
    by: Annotated[
        str, typer.Option("--by", metavar="last|min|max", help="Rank by the last value of each run, its minimum or maximum.")
    ] = "last",
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """List the best runs by a metric, best first. Of equal runs, the one created first is first.

    Runs where the value is NaN are none of the best.
    """
    with open_query_target(dir, project, remote) as asked:
        show_best(asked, metric, {"mode": mode, "by": by}, top, as_json=as_json)


def show_best(target: QueryTarget, metric: str, order: dict[str, str], top: int, *, as_json: bool) -> None:
    """Print the best runs."""
    from tasuki.sdk.query.comparison import parse_ranking
    from tasuki.sdk.query.comparison import rank_runs as best_runs

    found = best_runs(target.query, target.project, metric, parse_ranking(top, order["mode"], order["by"]))
    rows = [[one.rank, one.run.name, one.run.id, one.run.status, one.value, one.step, one.summary.n] for one in found]
    ranked = [
        {
            "rank": one.rank,
            "value": one.value,
            "step": one.step,
            "run": run_to_dict(one.run),
            "summary": summary_to_dict(one.summary),
        }
        for one in found
    ]
    data = {"project": target.project, "metric": metric, **order, "best": ranked}
    write_result("best/1", data, Table(["rank", "name", "id", "status", metric, "step", "n"], rows), as_json=as_json)
    if not found:
        print_message(f"note: every run that has logged {metric!r} has NaN there")
