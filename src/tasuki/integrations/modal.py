"""Syncer of a volume as a Modal function: it has the token that the volume's sandboxes lack.

    app = modal.App("training")
    syncer = tasuki.integrations.modal.syncer(app, "experiments")
    with app.run():
        syncer.spawn()                                   # before the sandbox starts
        modal.Sandbox.create(..., volumes={TRACKIO: modal.Volume.from_name("experiments")})

Modal's own documentation of what is used: modal.com/docs/guide/volumes (reload, and that no file may be open then), /guide/secrets.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import ConfigError
from tasuki.volumes.syncer import VolumeSyncer

__all__ = ["MOUNT", "SECRET", "TIMEOUT_SECONDS", "TRACKIO", "SyncerFunction", "run_rounds", "sync_volume", "syncer"]

MOUNT = "/volume"
TRACKIO = "/root/.cache/huggingface/trackio"
"""Where trackio writes in a sandbox, if it is told nothing: mount the volume there, and an unchanged script is synced."""
SECRET = "hf-secret"
PYTHON = "3.11"
REQUIREMENT = "tasuki[trackio]"
TIMEOUT_SECONDS = 3600
FINAL_ROUND_SECONDS = 60.0
"""So long before Modal ends the function it makes its last round by itself."""


class SyncerFunction(NamedTuple):
    """A syncer that can be started."""

    function: Any
    volume: str
    interval: float
    seconds: float

    def spawn(self) -> Any:
        """Start it, and don't wait; returns Modal's call, whose `cancel()` ends it."""
        return self.function.spawn(self.volume, self.interval, self.seconds)


def syncer(
    app: Any,
    volume: str,
    *,
    interval: float = 30.0,
    secret: str = SECRET,
    timeout: int = TIMEOUT_SECONDS,
    requirement: str = REQUIREMENT,
) -> SyncerFunction:
    """Add the syncer function to a Modal app.

    A slim Python 3.11 image with `tasuki[trackio]`, secret, and volume.

    `volume`: the name of a Modal volume. `secret`: the name of a Modal secret with HF_TOKEN, or with TASUKI_REMOTE and
    TASUKI_TOKEN. Else the volume itself says where to: `tasuki.setup_volume()` in the sandbox. ConfigError without modal.
    """
    modal = import_modal()
    function = app.function(
        image=modal.Image.debian_slim(python_version=PYTHON).pip_install(requirement),
        secrets=[modal.Secret.from_name(secret)],
        volumes={MOUNT: modal.Volume.from_name(volume, create_if_missing=True)},
        timeout=timeout,
        max_containers=1,
        include_source=False,
    )(sync_volume)
    return SyncerFunction(function, volume, interval, max(timeout - FINAL_ROUND_SECONDS, interval))


def sync_volume(volume: str, interval: float, seconds: float) -> int:
    """Run in Modal's container: rounds until the time is over; return the number of records delivered."""
    reload = import_modal().Volume.from_name(volume).reload
    return run_rounds(MOUNT, reload=reload, interval=interval, seconds=seconds)


def run_rounds(
    dir: str,
    *,
    reload: Callable[[], object],
    interval: float,
    seconds: float,
    clock: Clock = SYSTEM_CLOCK,
    **options: Any,
) -> int:
    """Run rounds over a volume, each after `reload()`, for `seconds`, and a last one.

    Return records delivered.
    """
    said = options.pop("say", print_line)
    until = clock.monotonic() + seconds
    with VolumeSyncer(dir, reload=reload, interval=interval, say=said, clock=clock, **options) as made:
        made.once()
        while clock.monotonic() < until:
            clock.sleep(min(interval, max(until - clock.monotonic(), 0)))
            made.once()
        return made.status.records


def print_line(line: str) -> None:
    """A line for Modal's log of the function, which is its standard output."""
    print(line, flush=True)  # noqa: T201 - there is no other log


def import_modal() -> Any:
    """The package. ConfigError if it is not installed."""
    try:
        import modal
    except ImportError as error:
        raise ConfigError("Modal's package is needed", hint="pip install modal") from error
    return modal
