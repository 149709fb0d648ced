"""Starting a run, and the functions that mean the current one."""

import platform
import secrets
import sys
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from tasuki.clock import SYSTEM
from tasuki.errors import BadRecord, ConfigError, Conflict, NotFound
from tasuki.journal import Folder, Journal, project_name, run_id
from tasuki.records import AlertLevel, Metrics, RunStarted, Status, decode, frames
from tasuki.relay import Sent, remote_url
from tasuki.sdk.process import PROCESS
from tasuki.sdk.run import Run
from tasuki.sdk.values import as_config, jsonable, text, text_or_none
from tasuki.settings import captured_environment, load

__all__ = ["alert", "finish", "init", "log"]

ID_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
RESUME = ("never", "allow", "must")


def init(  # noqa: PLR0913 - the shape that users of trackers know
    project: str | None = None,
    name: str | None = None,
    *,
    config: Any = None,
    group: str | None = None,
    tags: Iterable[str] = (),
    notes: str | None = None,
    id: str | None = None,
    resume: str = "never",
    dir: str | None = None,
    journal: str | None = None,
    remote: str | None = None,
    token: str | None = None,
    **unknown: Any,
) -> Run:
    """Start a run and make it the current one; an earlier one that is still open is finished first.

    `project`: any text (else TASUKI_PROJECT). `name`: any text, need not be unique. `config`: a dict, an argparse namespace, a
    dataclass, a msgspec struct or a pydantic model. `id`: 1 to 64 letters, digits, `._-`; with `resume="allow"` or `"must"` a
    new attempt at the run of that id. `dir`: the data folder (else TASUKI_DIR); `journal`: puts the journals elsewhere (else
    TASUKI_JOURNAL). `remote`: the address of a server (else TASUKI_REMOTE), to which everything is sent as it is recorded, with
    `token` (else TASUKI_TOKEN) as the key; a server that is down, slow or wrong never holds the run up.

    Raises ConfigError for a bad argument, Conflict for an id that exists, NotFound for one that must exist and does not,
    JournalError when the folder can't be written.
    """
    if unknown:
        warnings.warn(f"init() does not know {', '.join(sorted(unknown))}; ignored", UserWarning, stacklevel=2)
    settings = load(dir=dir, journal=journal, project=project, remote=remote, token=token)
    if settings.remote:
        remote_url(settings.remote)
    if settings.project is None:
        raise ConfigError("no project is named", hint='tasuki.init(project="digits"), or export TASUKI_PROJECT=digits')
    project = project_name(settings.project)
    folder = Folder(settings.journal_root, settings.lock_root)
    chosen, next_step = chosen_id(folder, project, id, resume)
    started = RunStarted(
        time=SYSTEM.now_us(),
        attempt=secrets.token_hex(8),
        name=text_or_none(name),
        group=text_or_none(group),
        notes=text_or_none(notes),
        tags=[text(tag) for tag in ([tags] if isinstance(tags, str) else tags)],
        config=as_config(config),
        environment=jsonable(captured_environment() | {"python": platform.python_version(), "argv": sys.argv}),
    )
    run = Run(settings, project, chosen, started, next_step=next_step)
    run.begin()
    PROCESS.made_current(run)
    return run


def chosen_id(folder: Folder, project: str, given: str | None, resume: str) -> tuple[str, int]:
    """The run's id, checked against what the folder has, and the step after the highest that it has logged."""
    if resume not in RESUME:
        raise ConfigError(f"there is no resume={resume!r}", hint=f"one of {', '.join(RESUME)}")
    if given is None:
        if resume == "must":
            raise ConfigError('resume="must" needs an id', hint='tasuki.init(id="abc", resume="must")')
        return "".join(secrets.choice(ID_ALPHABET) for _ in range(8)), 0
    chosen = run_id(given)
    journals = [journal for journal in folder.journals(project=project) if journal.header.run == chosen]
    if journals and resume == "never":
        raise Conflict(f"project {project!r} has a run {chosen!r}", hint='resume="allow" makes a new attempt at it')
    if not journals and resume == "must":
        raise NotFound(f"project {project!r} has no run {chosen!r}", hint='resume="allow" starts it')
    return chosen, max((highest_step(folder, journal) for journal in journals), default=-1) + 1


def highest_step(folder: Folder, journal: Journal) -> int:
    """The highest step that a journal has; -1 if none. A record that can't be read is skipped."""
    highest = -1
    with folder.view(journal) as view:
        for piece in view.pieces():
            for _, payload in frames(piece):
                with suppress(BadRecord):
                    record = decode(payload)
                    if isinstance(record, Metrics):
                        highest = max(highest, record.step)
    return highest


def log(metrics: Mapping[str, Any], step: int | None = None, *, durable: bool = False) -> None:
    """`Run.log` of the current run. ConfigError if there is none."""
    PROCESS.here().log(metrics, step, durable=durable)


def alert(
    title: str,
    text: str | None = None,
    *,
    level: str = AlertLevel.WARN,
    step: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """`Run.alert` of the current run. ConfigError if there is none."""
    PROCESS.here().alert(title, text, level=level, step=step, data=data)


def finish(status: str = Status.FINISHED, reason: str | None = None) -> Sent:
    """`Run.finish` of the current run; nothing if there is none."""
    return PROCESS.current.finish(status, reason) if PROCESS.current is not None else Sent(sent=0, pending=0)


def __getattr__(name: str) -> Any:
    if name == "config":
        return PROCESS.here().config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
