"""Shell completion of projects, runs and metrics, from the store as it is, without waiting."""

from typing import Any

__all__ = ["complete_metric", "complete_project", "complete_run", "complete_run_status"]

MAX_COMPLETIONS = 200
PROJECTS_SQL = "SELECT DISTINCT project FROM run WHERE substr(project, 1, length(?1)) = ?1 ORDER BY project LIMIT ?2"
RUNS_SQL = """
SELECT word, about FROM (
    SELECT name AS word, id || ' · ' || project AS about, created FROM run
    WHERE name IS NOT NULL AND (?2 IS NULL OR project = ?2) GROUP BY project, name HAVING count(*) = 1
    UNION ALL SELECT id, coalesce(name, '') || ' · ' || project, created FROM run WHERE ?2 IS NULL OR project = ?2
) WHERE substr(word, 1, length(?1)) = ?1 ORDER BY created DESC LIMIT ?3
"""
METRICS_SQL = "SELECT name FROM metric WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name LIMIT ?2"


def complete_project(ctx: Any, incomplete: str) -> list[str]:
    """Projects that begin so."""
    return [name for (name,) in query_store(ctx, PROJECTS_SQL, (incomplete, MAX_COMPLETIONS))]


def complete_run(ctx: Any, incomplete: str) -> list[tuple[str, str]]:
    """Names that only one run has, and ids, the newest first; of the chosen project, if one is."""
    return query_store(ctx, RUNS_SQL, (incomplete, get_project_option(ctx), MAX_COMPLETIONS))


def complete_metric(ctx: Any, incomplete: str) -> list[str]:
    """Metrics that begin so; of several with commas between them, the last."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for (name,) in query_store(ctx, METRICS_SQL, (last, MAX_COMPLETIONS))]


def complete_run_status(incomplete: str) -> list[str]:
    """States of runs that begin so."""
    from tasuki.records import Status

    return [status.value for status in Status if status.startswith(incomplete)]


def get_project_option(ctx: Any) -> str | None:
    """The project that is named on the line or in the environment."""
    from tasuki.settings import load

    return ctx.params.get("project") or load(dir=ctx.params.get("dir")).project


def query_store(ctx: Any, statement: str, values: tuple[Any, ...]) -> list[Any]:
    """Query the store; nothing without a readable one: a shell must not see errors."""
    from tasuki.errors import TasukiError
    from tasuki.settings import load
    from tasuki.store import read_stale

    try:
        return read_stale(load(dir=ctx.params.get("dir")).dir, statement, values)
    except (TasukiError, OSError):
        return []
