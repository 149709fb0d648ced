"""Syncer.

Replicate the journals and trackio databases of a shared volume, in rounds, restartable at any time.

The writers know no secret and no server; the syncer has the token. A round looks at the volume, reads the destination, and sends
what is new; what fails is said once and tried again in the next round. Nothing that it knows has to outlive it: where it was is
asked of the receiver.
"""

import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec

from tasuki.client.gc import forgettable, remove
from tasuki.clock import SYSTEM, Clock
from tasuki.errors import RemoteError, RemoteUnavailable, TasukiError
from tasuki.importers.trackio.sender import ProjectResult
from tasuki.journal import JournalFolder
from tasuki.relay.backoff import Backoff
from tasuki.relay.state.remote_status import RemoteHealth
from tasuki.remotes import RemotesFile
from tasuki.settings import Settings, load
from tasuki.volumes.destination import Destination, read_destination, space_url
from tasuki.volumes.hf_space import SpaceUploader, is_tasuki, space_key
from tasuki.volumes.server_uploader import ServerUploader
from tasuki.volumes.status_file import SyncerStatus, as_prometheus, write_report

__all__ = ["VolumeSyncer"]

CLEAN_SECONDS = 3600.0
log = logging.getLogger("tasuki.syncer")


class VolumeSyncer:
    """Syncs one volume. `once()` does one round, `run()` rounds until `stop()`; close it when done.

    `dir`: the volume. `remote`: where to send to (a server's address, or its name among `tasuki remote list`), else what the volume
    itself says, by then or later. `reload`: called before each round, for a volume that has to be told to show what is new.
    `state`: the data folder of the syncer, else TASUKI_DIR. `remove_after`: remove from the volume the journals of ended runs that
    the server has had, whole, for so long; by default nothing is ever removed. `say`: hears the lines `[syncer] …`.

    Of the tokens here, an address that only the volume names is shown the one that `credentials` has for it, and no other: whoever
    can write to the volume could have the token else.
    """

    def __init__(  # noqa: PLR0913 - what there is to say of a syncer
        self,
        dir: str | Path,
        remote: str | None = None,
        *,
        reload: Callable[[], object] = lambda: None,
        interval: float = 30.0,
        state: str | Path | None = None,
        token: str | None = None,
        remove_after: timedelta | None = None,
        say: Callable[[str], None] = log.info,
        clock: Clock = SYSTEM,
    ) -> None:
        self.volume = Path(dir).expanduser().absolute()
        self.settings: Settings = load(dir=None if state is None else str(state), remote=remote, token=token)
        self.reload = reload
        self.interval = interval
        self.remove_after = remove_after
        self.say = say
        self.clock = clock
        self.to: Destination | None = None
        self.way: ServerUploader | SpaceUploader | None = None
        self.told: dict[str, str] = {}
        self.patience = Backoff()
        self.not_before = 0.0
        self.clean_at = 0.0
        self.stopping = threading.Event()
        self.report = SyncerStatus(volume=str(self.volume), pid=os.getpid(), interval_seconds=interval, began=clock.now_us())

    def close(self) -> None:
        """Close all files and connections."""
        if self.way is not None:
            self.way.close()
        self.way = None

    def __enter__(self) -> "VolumeSyncer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """Let `run()` end after the current project."""
        self.stopping.set()

    def run(self) -> None:
        """Do rounds until stopped."""
        while not self.stopping.is_set():
            self.once()
            self.stopping.wait(self.interval)

    def metrics(self) -> str:
        """Return the metrics in Prometheus format."""
        return as_prometheus(self.report)

    # -- a round

    def once(self) -> bool:
        """Do one round; return whether everything arrived. Report errors instead of raising them."""
        began = self.clock.monotonic()
        if began < self.not_before:
            return False
        outcome: list[ProjectResult] = []
        error: Exception | None = None
        try:
            self.look_and_send(outcome)
        except Exception as wrong:
            error = wrong
            if not isinstance(wrong, (TasukiError, OSError)):
                log.exception("a round over %s failed", self.volume)
        self.conclude(outcome, error, self.clock.monotonic() - began)
        return error is None and not any(brought.error for brought in outcome) and self.to is not None

    def look_and_send(self, outcome: list[ProjectResult]) -> None:
        """Do the work of a round; add the result of each project to `outcome`."""
        if self.way is not None:
            self.way.let_go()
        self.reload()
        self.aim(self.destination())
        if self.way is None:
            return
        for brought in self.way.round():
            outcome.append(brought)
            self.tell_project(brought)
            if self.stopping.is_set():
                return
        self.patience.succeeded()
        self.clean()

    def destination(self) -> Destination | None:
        """Return the destination: the caller's, else the volume's. Raise ConfigError while it is invalid."""
        if self.settings.remote:
            return Destination(remote=self.settings.remote)
        return read_destination(self.volume)

    def aim(self, to: Destination | None) -> None:
        """Set the destination. Raise ConfigError for a name that is not among the syncer's remotes."""
        if to is None:
            self.tell("", f"[syncer] waiting for a destination: tasuki volume init {self.volume} --remote NAME|URL")
        if to == self.to and (self.way is not None or to is None):
            return
        self.close()
        self.to = None
        if to is not None:
            self.way = self.way_to(to)
            self.say(f"[syncer] from {self.volume} to {to}")
        self.to = to

    def way_to(self, to: Destination) -> ServerUploader | SpaceUploader:
        """Create the uploader for a destination."""
        remotes = RemotesFile(self.settings.dir)
        if to.space is not None:
            url, key = space_url(to.space), space_key(to.space, remotes)
            if not is_tasuki(url, key()):
                return SpaceUploader(self.volume, to.space, self.settings.dir, clock=self.clock)
        else:
            url = remotes.url(to.remote or "")
            key = self.settings.key(url) if self.settings.remote else remotes.key(url)
        return ServerUploader(self.volume, url, key, self.settings.dir, clock=self.clock)

    def clean(self) -> None:
        """Remove journals that the server has had for long enough, once an hour; only with `remove_after`."""
        if self.remove_after is None or not isinstance(self.way, ServerUploader) or self.clock.monotonic() < self.clean_at:
            return
        self.clean_at = self.clock.monotonic() + CLEAN_SECONDS
        old = forgettable(JournalFolder(self.volume), self.way.transport, self.way.kept.acks, self.remove_after, clock=self.clock)
        remove(old)
        for run in old:
            self.say(f"[syncer] removed {run.run!r} of {run.project!r}: {self.to} has had it for {self.remove_after}")

    # -- what is said

    def tell_project(self, brought: ProjectResult) -> None:
        """Report a project's result: an error once, until it changes or is over."""
        if brought.records:
            self.say(f"[syncer] synced {brought.project!r}")
        if brought.error is not None:
            self.tell(brought.project, f"[syncer] error {brought.project!r}: {brought.error}")

    def tell(self, project: str, line: str) -> None:
        """Print a line, unless it is the last one printed for the project."""
        if self.told.get(project) != line:
            self.told[project] = line
            self.say(line)

    def conclude(self, outcome: list[ProjectResult], error: Exception | None, seconds: float) -> None:
        """Record the result of the round."""
        failed = {brought.project: str(brought.error) for brought in outcome if brought.error is not None}
        if error is not None:
            self.tell("", f"[syncer] error: {' '.join((str(error) or type(error).__name__).split())}")
            if isinstance(error, RemoteUnavailable) and error.after_seconds is not None:
                self.not_before = self.clock.monotonic() + error.after_seconds
        elif self.to is not None:  # what is not wrong any more will be said again if it comes back
            self.told = {project: line for project, line in self.told.items() if project in failed}
        self.note_standing(error)
        before = self.report
        self.report = msgspec.structs.replace(
            before,
            seen=self.clock.now_us(),
            destination=None if self.to is None else str(self.to),
            rounds=before.rounds + 1,
            round_seconds=seconds,
            projects=len({brought.project for brought in outcome}),
            records=before.records + sum(brought.records for brought in outcome),
            bytes=before.bytes if self.way is None else self.way.sent_bytes,
            failures=before.failures + len(failed) + (error is not None),
            last_success=before.last_success if error is not None or self.to is None else self.clock.now_us(),
            errors=failed | ({} if error is None else {"": str(error)}),
        )
        try:
            write_report(self.settings.dir, self.report)
        except OSError as wrong:
            log.warning("how it goes can't be noted for tasuki doctor: %s", wrong)

    def note_standing(self, error: Exception | None) -> None:
        """Record the remote's status, as every sender does."""
        if not isinstance(self.way, ServerUploader):
            return
        if isinstance(error, RemoteError):
            self.patience.failed(error)
            self.way.kept.standing.failed(self.patience.health, str(error), self.patience.failures)
        elif error is None:
            self.way.kept.standing.succeeded(RemoteHealth.OK, answered=True)
