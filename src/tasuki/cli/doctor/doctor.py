"""The command `tasuki doctor`."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tasuki.cli.doctor.checks import Check, CheckLevel, build_broken_checks, build_folder_checks, build_locked_check
from tasuki.cli.doctor.remotes import check_remote, check_syncer
from tasuki.cli.shared.options import AsJson, Dir, load_command_settings
from tasuki.cli.shared.output import Table, write_result
from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import Conflict, LocksUnsupported, TasukiError

if TYPE_CHECKING:
    from tasuki.settings import Settings

__all__ = ["doctor"]

STORE_TIMEOUT_SECONDS = 0.2


def doctor(as_json: AsJson = False, dir: Dir = None) -> None:
    """Check the health of the data folder.

    Exits with 0 if all is well, 1 if something is degraded, 2 if something is broken.
    """
    checks = run_checks(dir)
    state = max((check.state for check in checks), key=lambda state: state.exit_code)
    table = Table(Check._fields, checks, ["found", "hint"])
    data = {"state": state, "checks": [check._asdict() for check in checks]}
    write_result("doctor/1", data, table, as_json=as_json)
    raise typer.Exit(state.exit_code)


def run_checks(dir: str | None) -> list[Check]:
    """Run all checks; only one, if the folder cannot be read."""
    from tasuki.relay import list_backlogs
    from tasuki.volumes.status_file import list_syncer_statuses

    try:
        settings = load_command_settings(dir)
        now = SYSTEM_CLOCK.now_us()
        remotes = [check_remote(queue, settings, now, is_process_alive(queue.status.pid)) for queue in list_backlogs(settings)]
        syncers = [check_syncer(report, now, is_process_alive(report.pid)) for report in list_syncer_statuses(settings.dir)]
        return check_store(settings) + remotes + syncers + check_notify(settings)
    except (TasukiError, OSError) as error:
        return build_broken_checks(error)


def check_store(settings: "Settings") -> list[Check]:
    """Check journals and store, without waiting for a locked store."""
    from tasuki.store import LocalStore

    with LocalStore(settings, wait_seconds=STORE_TIMEOUT_SECONDS, lock_seconds=STORE_TIMEOUT_SECONDS) as store:
        try:
            condition = store.folder_status()
        except Conflict as error:
            return [Check("data folder", CheckLevel.OK, str(settings.dir)), build_locked_check(error)]
        except LocksUnsupported as error:
            store_check = Check("store", CheckLevel.BROKEN, error.message, error.hint)
            return [Check("data folder", CheckLevel.OK, str(settings.dir)), store_check]
    journals = Path(condition.journal_folder)
    return build_folder_checks(condition, shutil.disk_usage(journals if journals.exists() else settings.dir).free)


def check_notify(settings: "Settings") -> list[Check]:
    """Check whether a process delivers the folder's alerts, if the settings name targets."""
    if not settings.notify:
        return []
    from tasuki.notify import is_delivering

    found = f"to {', '.join(target.name for target in settings.notify)}"
    try:
        is_delivered = is_delivering(settings)
    except (LocksUnsupported, OSError) as error:
        return [build_unknown_check("alerts", f"whether they are delivered {found}", error)]
    if is_delivered:
        return [Check("alerts", CheckLevel.OK, f"delivered {found}")]
    return [Check("alerts", CheckLevel.DEGRADED, f"nobody delivers them {found}", "tasuki notify watch, or tasuki serve")]


def build_unknown_check(name: str, question: str, error: LocksUnsupported | OSError) -> Check:
    """Report a check as degraded because its question cannot be answered here."""
    reason = error.message if isinstance(error, LocksUnsupported) else str(error)
    hint = error.hint if isinstance(error, LocksUnsupported) else None
    return Check(name, CheckLevel.DEGRADED, f"unknown {question}: {reason}", hint)


def is_process_alive(pid: int) -> bool:
    """Return whether a process of this pid runs here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
