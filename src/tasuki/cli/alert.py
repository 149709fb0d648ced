"""The command `tasuki alert list`."""

from typing import Annotated, Any

import typer

from tasuki.cli.run.tables import alert_to_dict
from tasuki.cli.shared.completers import complete_run
from tasuki.cli.shared.options import AsJson, Dir, ExamplesCommand, Project, QueryTarget, Remote, open_query_target
from tasuki.cli.shared.output import Table, write_result
from tasuki.cli.shared.parsing import parse_since
from tasuki.clock import SYSTEM_CLOCK, datetime_from_us

__all__ = ["app", "list_alerts"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List alerts.")
EXAMPLES = """\
tasuki alert list
tasuki alert list --reason nan --level error --json
tasuki alert list --since 10min
tasuki alert list --since 6d0f1c52b4a94e1f8a2b3c4d5e6f7081:1234"""
COLUMNS = ["id", "time", "level", "run", "name", "title", "reason", "metric", "value", "step", "data"]


@app.command("list", cls=ExamplesCommand, epilog=EXAMPLES)
def list_command(  # noqa: PLR0913 - one option per filter
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="List only alerts of this run.", autocompletion=complete_run)
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason", metavar="REASON", help="List only this reason: nan, max_value, min_value, spike, patience, custom, stalled."
        ),
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", metavar="LEVEL", help="List only this level or a higher one: info, warn, error.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME|ID", help="List only alerts after a time, a duration ago, or an alert's id."),
    ] = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """List alerts in order of arrival; those of one moment by time.

    Go on from the last one with `--since` and its id (`cursor` in JSON): none is missed, none comes twice, however late it arrives.
    """
    with open_query_target(dir, project, remote) as asked:
        list_alerts(asked, run, {"reason": reason, "level": level, "since": since}, as_json=as_json)


def list_alerts(target: QueryTarget, ref: str | None, filters: dict[str, str | None], *, as_json: bool) -> None:
    """Print the selected alerts."""
    from tasuki.sdk.value_conversion import parse_alert_level

    since = filters["since"]
    level = None if filters["level"] is None else parse_alert_level(filters["level"])
    behind = None if since is None else parse_since(since, SYSTEM_CLOCK.now_us())
    run = None if ref is None else target.query.run(target.project, ref).id
    found = target.query.alerts(target.project, run, since=behind, reason=filters["reason"], level=level)
    rows: list[list[Any]] = [
        [
            row.id, datetime_from_us(row.time), row.level, row.run, row.run_name, row.title, row.reason, row.metric, row.value,
            row.step, row.data,
        ]
        for row in found
    ]  # fmt: skip
    cursor = found[-1].id if found else behind if isinstance(behind, str) else None
    alerts = [{"run": row.run, "run_name": row.run_name} | alert_to_dict(row) for row in found]
    data = {"project": target.project, "alerts": alerts, "cursor": cursor}
    write_result("alert-list/1", data, Table(COLUMNS, rows, ["id", "title"]), as_json=as_json)
