"""Checks of `tasuki doctor` on each remote: backlog and status."""

from typing import TYPE_CHECKING

from tasuki.cli.doctor.checks import Check, CheckLevel

if TYPE_CHECKING:
    from tasuki.relay import RemoteBacklog
    from tasuki.settings import Settings
    from tasuki.volumes.status_file import SyncerStatus

__all__ = ["check_remote", "check_syncer"]

BACKLOG_THRESHOLD = 1000
SILENT_SECONDS = 60
MAX_LISTED = 5


def check_remote(backlog: "RemoteBacklog", settings: "Settings", now_us: int, is_relay_alive: bool) -> Check:
    """Check one remote from the folder's files, without a request."""
    standing = backlog.status
    parts = [f"sync_queue: {backlog.pending} pending"]
    if backlog.oldest is not None:
        parts.append(f"oldest {format_age(backlog.oldest, now_us)}")
    parts.append(f"last success {format_age(standing.last_success, now_us)}" if standing.last_success else "never reached")
    if backlog.dead_letters:
        parts.append(f"{len(backlog.dead_letters)} set aside: {backlog.dead_letters[-1].reason}")
    if standing.restarts:
        parts.append(f"relay restarted {standing.restarts} times")
    wrong, hint = diagnose(backlog, settings, now_us, is_relay_alive)
    if wrong and standing.last_error:
        parts.append(f"last error {format_age(standing.last_error_at, now_us)}: {standing.last_error}")
    state = "disabled" if settings.disable_write_through else wrong or standing.health
    return Check(f"remote {backlog.remote}", CheckLevel.DEGRADED if wrong else CheckLevel.OK, " · ".join([*parts, state]), hint)


def diagnose(backlog: "RemoteBacklog", settings: "Settings", now_us: int, is_relay_alive: bool) -> tuple[str | None, str | None]:
    """Return the problem and what to do about it."""
    from tasuki.relay import RemoteHealth

    sync = f"tasuki sync --to {backlog.remote}"
    if backlog.status.health is RemoteHealth.PAUSED:
        return f"paused: {classify_pause(backlog.status.last_error or '')}", "put it right: the next try is within a minute"
    if backlog.dead_letters:
        return "set aside", "tasuki sync retry --set-aside"
    if backlog.pending > BACKLOG_THRESHOLD:
        return "backlog", sync
    if backlog.pending and not settings.disable_write_through:
        if backlog.status.health is RemoteHealth.BACKING_OFF:
            return RemoteHealth.BACKING_OFF, f"tasuki remote test {backlog.remote}"
        if not is_relay_alive:
            return "nobody sends", sync
        if now_us - backlog.status.seen > SILENT_SECONDS * 1_000_000:
            return f"the relay of process {backlog.status.pid} is silent", sync
    return None, None


def classify_pause(error: str) -> str:
    """Classify the error that pauses a remote."""
    return "credentials" if any(f"answered {status}" in error for status in (401, 403)) else "address or version"


def check_syncer(status: "SyncerStatus", now_us: int, is_alive: bool) -> Check:
    """Check one syncer's volume."""
    parts = [f"to {status.destination}" if status.destination else "waits for a destination"]
    parts.append(f"last round {format_age(status.seen, now_us)}")
    parts.append(f"last success {format_age(status.last_success, now_us)}" if status.last_success else "no success yet")
    parts += [f"{project!r}: {text}" if project else text for project, text in list(status.errors.items())[:MAX_LISTED]]
    late = is_alive and now_us - status.seen > (status.interval_seconds + SILENT_SECONDS) * 1_000_000
    parts += [f"process {status.pid} is silent"] if late else [] if is_alive else ["not running now"]
    wrong = bool(status.errors) or late or not status.destination
    hint = f"tasuki syncer --volume {status.volume}" if wrong else None
    return Check(f"syncer {status.volume}", CheckLevel.DEGRADED if wrong else CheckLevel.OK, " · ".join(parts), hint)


def format_age(time_us: int | None, now_us: int) -> str:
    """Format how long ago a time was."""
    seconds = max(now_us - (time_us or now_us), 0) // 1_000_000
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
