"""Starting a run, and the functions that mean the current one."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError, warn_user
from tasuki.journal import normalize_project_name
from tasuki.records import AlertLevel, RunStarted, Status
from tasuki.relay import SendCounts, parse_remote_url
from tasuki.sdk.capture.environment import describe_environment, find_current_checkout, start_diff_thread
from tasuki.sdk.notes import NoteReceipt
from tasuki.sdk.process_state import PROCESS
from tasuki.sdk.resume import resolve_run
from tasuki.sdk.run import Run
from tasuki.sdk.stop_signal import Stop
from tasuki.sdk.value_conversion import to_config_dict, to_json_value, to_text, to_text_or_none
from tasuki.settings import load

__all__ = ["alert", "correct", "event", "finish", "init", "lesson", "log", "save", "should_stop", "watch"]


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
    system_metrics: float | bool | None = None,
    **unknown: Any,
) -> Run:
    """Start a run and make it the current one; an earlier one that is still open is finished first.

    `project`: any text (else TASUKI_PROJECT). `name`: any text, need not be unique. `config`: a dict, an argparse namespace, a
    dataclass, a msgspec struct or a pydantic model. `id`: 1 to 64 letters, digits, `._-`; with `resume="allow"` or `"must"` a
    new attempt at the run of that id, which may be in the folder or on the server (`"must"`: the beginning of an id will do).
    `dir`: the data folder (else TASUKI_DIR); `journal`: puts the journals elsewhere (else TASUKI_JOURNAL). `remote`: the address
    of a server, or its name (else TASUKI_REMOTE), to which everything is sent as it is recorded, with `token` (else TASUKI_TOKEN,
    else the file credentials) as the key; a server that is down, slow or wrong never holds the run up. `system_metrics`: seconds
    between samples of the machine's load, which are logged under `system/`; False for none (else TASUKI_SYSTEM_METRICS, else 15).

    Raises ConfigError for a bad argument, Conflict for an id that exists, NotFound for one that must exist and does not,
    JournalError when the folder can't be written, RemoteError where only the server can know of the run, and can't be asked.
    """
    if unknown:
        warn_user(f"init() does not know {', '.join(sorted(unknown))}; ignored", UserWarning)
    settings = load(dir=dir, journal=journal, project=project, remote=remote, token=token, system_metrics=system_metrics)
    if settings.remote:
        parse_remote_url(settings.remote)
    if settings.project is None:
        raise ConfigError("no project is named", hint='tasuki.init(project="digits"), or export TASUKI_PROJECT=digits')
    project = normalize_project_name(settings.project)
    chosen = resolve_run(settings, project, id, resume)
    checkout = find_current_checkout() if settings.capture_git else None
    started = RunStarted(
        time=SYSTEM_CLOCK.now_us(),
        attempt=secrets.token_hex(8),
        name=to_text_or_none(name),
        group=to_text_or_none(group),
        notes=to_text_or_none(notes),
        tags=[to_text(tag) for tag in ([tags] if isinstance(tags, str) else tags)],
        config=to_config_dict(config),
        environment=to_json_value(describe_environment(checkout)),
    )
    run = Run(settings, project, chosen.id, started, next_step=chosen.next_step)
    run.open_journal()
    if checkout is not None:
        run.diff_thread = start_diff_thread(checkout, run.append_diff)
    PROCESS.set_current_run(run)
    return run


def current_run() -> Run:
    """Return the current run. Raise ConfigError if no run has been started."""
    run = PROCESS.current_run
    if run is None:
        raise ConfigError("there is no run", hint='begin with: tasuki.init(project="digits")')
    return run  # type: ignore[return-value] # this module opens all of them, as Run


def log(metrics: Mapping[str, Any], step: int | None = None, *, durable: bool = False) -> None:
    """`Run.log` of the current run. ConfigError if there is none."""
    current_run().log(metrics, step, durable=durable)


def watch(  # noqa: PLR0913 - one rule, one argument
    metric: str,
    *,
    nan: bool = True,
    max_value: float | None = None,
    min_value: float | None = None,
    spike_factor: float | None = None,
    window: int = 20,
    patience: int | None = None,
    min_delta: float = 0.0,
    mode: str = "min",
    fn: Callable[[float, int], Any] | None = None,
    level: str = AlertLevel.WARN,
) -> None:
    """Watch a metric of the current run.

    A match raises an alert, and may stop the run (see `should_stop`).

    `nan`: NaN or an infinity: alert and stop. `max_value`: a value above it: alert and stop. `min_value`: a value below it: alert
    only. `spike_factor`: `abs(value - average) > (spike_factor - 1) * abs(average)`, of the `window` finite values before: alert
    only. `patience`: so many reports after the best without an improvement of more than `min_delta` (`mode`: "min" if less is
    better, "max" if more is): alert and stop. `fn(value, step)`: returns None, True, a dict `{"title", "level", "stop", "text",
    "data"}` or a list of them: alert, and stop where `"stop"` is true.

    Each raises one alert per excursion. ConfigError for a rule that can't be meant, and without a run.
    """
    current_run().watch(
        metric,
        nan=nan,
        max_value=max_value,
        min_value=min_value,
        spike_factor=spike_factor,
        window=window,
        patience=patience,
        min_delta=min_delta,
        mode=mode,
        fn=fn,
        level=level,
    )


def should_stop() -> Stop:
    """`Run.should_stop` of the current run. ConfigError if there is none."""
    return current_run().should_stop()


def alert(
    title: str,
    text: str | None = None,
    *,
    level: str = AlertLevel.WARN,
    step: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """`Run.alert` of the current run. ConfigError if there is none."""
    current_run().alert(title, text, level=level, step=step, data=data)


def correct(  # noqa: PLR0913 - what there is to say of a correction
    draft: str,
    final: str,
    category: str | None = None,
    severity: str | None = None,
    session: int | None = None,
    context: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> NoteReceipt:
    """`Run.correct` of the current run. ConfigError if there is none."""
    return current_run().correct(draft, final, category, severity, session, context, idempotency_key)


def lesson(text: str, confidence: float | None = None, category: str | None = None) -> NoteReceipt:
    """`Run.lesson` of the current run. ConfigError if there is none."""
    return current_run().lesson(text, confidence, category)


def event(name: str, data: Mapping[str, Any] | None = None) -> NoteReceipt:
    """`Run.event` of the current run. ConfigError if there is none."""
    return current_run().event(name, data)


def save(path: str | PathLike[str], name: str | None = None, *, step: int | None = None, caption: str | None = None) -> None:
    """`Run.save` of the current run. ConfigError if there is none."""
    current_run().save(path, name, step=step, caption=caption)


def finish(status: str = Status.FINISHED, reason: str | None = None) -> SendCounts:
    """`Run.finish` of the current run; nothing if there is none."""
    return PROCESS.current_run.finish(status, reason) if PROCESS.current_run is not None else SendCounts(sent=0, pending=0)


def __getattr__(name: str) -> Any:
    if name == "config":
        return current_run().config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
