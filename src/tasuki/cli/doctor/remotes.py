"""What `tasuki doctor` concludes of each remote: what is waiting to be sent to it, and how it stands with it."""

from typing import TYPE_CHECKING

from tasuki.cli.doctor.checks import Check, CheckLevel

if TYPE_CHECKING:
    from tasuki.relay import RemoteBacklog
    from tasuki.settings import Settings
    from tasuki.volumes.status_file import SyncerStatus

__all__ = ["remote_check", "syncer_check"]

MANY = 1000
SILENT_SECONDS = 60
LISTED = 5


def remote_check(queue: "RemoteBacklog", settings: "Settings", now_us: int, relay_process_is_alive: bool) -> Check:
    """One remote, without asking it: all of this is in the folder."""
    standing = queue.standing
    parts = [f"sync_queue: {queue.pending} pending"]
    if queue.oldest is not None:
        parts.append(f"oldest {ago(queue.oldest, now_us)}")
    parts.append(f"last success {ago(standing.last_success, now_us)}" if standing.last_success else "never reached")
    if queue.aside:
        parts.append(f"{len(queue.aside)} set aside: {queue.aside[-1].reason}")
    if standing.restarts:
        parts.append(f"relay restarted {standing.restarts} times")
    wrong, hint = trouble(queue, settings, now_us, relay_process_is_alive)
    if wrong and standing.last_error:
        parts.append(f"last error {ago(standing.last_error_at, now_us)}: {standing.last_error}")
    state = "disabled" if settings.disable_write_through else wrong or standing.health
    return Check(f"remote {queue.remote}", CheckLevel.DEGRADED if wrong else CheckLevel.OK, " · ".join([*parts, state]), hint)


def trouble(
    queue: "RemoteBacklog", settings: "Settings", now_us: int, relay_process_is_alive: bool
) -> tuple[str | None, str | None]:
    """What is wrong, and what to do about it."""
    from tasuki.relay import RemoteHealth

    sync = f"tasuki sync --to {queue.remote}"
    if queue.standing.health is RemoteHealth.PAUSED:
        return f"paused: {reason(queue.standing.last_error or '')}", "put it right: the next try is within a minute"
    if queue.aside:
        return "set aside", "tasuki sync retry --set-aside"
    if queue.pending > MANY:
        return "backlog", sync
    if queue.pending and not settings.disable_write_through:
        if queue.standing.health is RemoteHealth.BACKING_OFF:
            return RemoteHealth.BACKING_OFF, f"tasuki remote test {queue.remote}"
        if not relay_process_is_alive:
            return "nobody sends", sync
        if now_us - queue.standing.seen > SILENT_SECONDS * 1_000_000:
            return f"the relay of process {queue.standing.pid} is silent", sync
    return None, None


def reason(error: str) -> str:
    """What kind of thing pauses a remote."""
    return "credentials" if any(f"answered {status}" in error for status in (401, 403)) else "address or version"


def syncer_check(report: "SyncerStatus", now_us: int, is_alive: bool) -> Check:
    """One syncer's volume."""
    parts = [f"to {report.destination}" if report.destination else "waits for a destination"]
    parts.append(f"last round {ago(report.seen, now_us)}")
    parts.append(f"last success {ago(report.last_success, now_us)}" if report.last_success else "no success yet")
    parts += [f"{project!r}: {text}" if project else text for project, text in list(report.errors.items())[:LISTED]]
    late = is_alive and now_us - report.seen > (report.interval_seconds + SILENT_SECONDS) * 1_000_000
    parts += [f"process {report.pid} is silent"] if late else [] if is_alive else ["not running now"]
    wrong = bool(report.errors) or late or not report.destination
    hint = f"tasuki syncer --volume {report.volume}" if wrong else None
    return Check(f"syncer {report.volume}", CheckLevel.DEGRADED if wrong else CheckLevel.OK, " · ".join(parts), hint)


def ago(time_us: int | None, now_us: int) -> str:
    """How long ago something was."""
    seconds = max(now_us - (time_us or now_us), 0) // 1_000_000
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
