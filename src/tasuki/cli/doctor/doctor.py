"""The command `tasuki doctor`."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tasuki.cli.doctor.checks import Check, CheckLevel, broken, checkup, locked
from tasuki.cli.doctor.remotes import remote_check, syncer_check
from tasuki.cli.shared.options import AsJson, Dir, settings_for
from tasuki.cli.shared.output import Table, write
from tasuki.clock import SYSTEM
from tasuki.errors import Conflict, TasukiError

if TYPE_CHECKING:
    from tasuki.settings import Settings

__all__ = ["doctor"]

STORE_SECONDS = 0.2


def doctor(as_json: AsJson = False, dir: Dir = None) -> None:
    """Say how well the data folder is.

    Exits with 0 if all is well, 1 if something is degraded, 2 if something is broken.
    """
    checks = checks_of(dir)
    state = max((check.state for check in checks), key=lambda state: state.exit_code)
    table = Table(Check._fields, checks, ["found", "hint"])
    data = {"state": state, "checks": [check._asdict() for check in checks]}
    write("doctor/1", data, table, as_json=as_json)
    raise typer.Exit(state.exit_code)


def checks_of(dir: str | None) -> list[Check]:
    """What there is to say of the data folder; that it can't be read, if it can't."""
    from tasuki.relay import queues
    from tasuki.volumes.status_file import reports

    try:
        settings = settings_for(dir)
        now = SYSTEM.now_us()
        remotes = [remote_check(queue, settings, now, is_alive(queue.standing.pid)) for queue in queues(settings)]
        syncers = [syncer_check(report, now, is_alive(report.pid)) for report in reports(settings.dir)]
        return store_checks(settings) + remotes + syncers + notify_checks(settings)
    except (TasukiError, OSError) as error:
        return broken(error)


def store_checks(settings: "Settings") -> list[Check]:
    """What there is to say of the journals and the store, which is not waited for if somebody has locked it."""
    from tasuki.store import LocalStore

    with LocalStore(settings, wait_seconds=STORE_SECONDS, lock_seconds=STORE_SECONDS) as store:
        try:
            condition = store.condition()
        except Conflict as error:
            return [Check("data folder", CheckLevel.OK, str(settings.dir)), locked(error)]
    journals = Path(condition.journal_folder)
    return checkup(condition, shutil.disk_usage(journals if journals.exists() else settings.dir).free)


def notify_checks(settings: "Settings") -> list[Check]:
    """Whether somebody delivers the folder's alerts, where they are to be delivered."""
    if not settings.notify:
        return []
    from tasuki.notify import is_delivering

    found = f"to {', '.join(target.name for target in settings.notify)}"
    if is_delivering(settings):
        return [Check("alerts", CheckLevel.OK, f"delivered {found}")]
    return [Check("alerts", CheckLevel.DEGRADED, f"nobody delivers them {found}", "tasuki notify watch, or tasuki serve")]


def is_alive(pid: int) -> bool:
    """Whether there is such a process here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
