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

from tasuki.client.gc import find_removable_runs, remove_journals
from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import RemoteError, RemoteUnavailable, TasukiError
from tasuki.importers.trackio.sender import ProjectResult
from tasuki.journal import JournalFolder
from tasuki.relay.backoff import Backoff
from tasuki.relay.state.remote_status import RemoteHealth
from tasuki.remotes import RemotesFile
from tasuki.settings import Settings, load
from tasuki.volumes.destination import Destination, build_space_url, read_destination
from tasuki.volumes.hf_space import SpaceUploader, get_space_key, is_tasuki_server
from tasuki.volumes.server_uploader import ServerUploader
from tasuki.volumes.status_file import SyncerStatus, format_prometheus, write_status

__all__ = ["VolumeSyncer"]

CLEANUP_INTERVAL_SECONDS = 3600.0
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
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.volume = Path(dir).expanduser().absolute()
        self.settings: Settings = load(dir=None if state is None else str(state), remote=remote, token=token)
        self.reload = reload
        self.interval = interval
        self.remove_after = remove_after
        self.say = say
        self.clock = clock
        self.current_destination: Destination | None = None
        self.uploader: ServerUploader | SpaceUploader | None = None
        self.last_lines: dict[str, str] = {}
        self.backoff = Backoff()
        self.retry_at = 0.0
        self.next_cleanup_at = 0.0
        self.stop_event = threading.Event()
        self.status = SyncerStatus(volume=str(self.volume), pid=os.getpid(), interval_seconds=interval, began=clock.now_us())

    def close(self) -> None:
        """Close all files and connections."""
        if self.uploader is not None:
            self.uploader.close()
        self.uploader = None

    def __enter__(self) -> "VolumeSyncer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """Let `run()` end after the current project."""
        self.stop_event.set()

    def run(self) -> None:
        """Do rounds until stopped."""
        while not self.stop_event.is_set():
            self.once()
            self.stop_event.wait(self.interval)

    def metrics(self) -> str:
        """Return the metrics in Prometheus format."""
        return format_prometheus(self.status)

    # -- a round

    def once(self) -> bool:
        """Do one round; return whether everything arrived. Report errors instead of raising them."""
        began = self.clock.monotonic()
        if began < self.retry_at:
            return False
        outcome: list[ProjectResult] = []
        error: Exception | None = None
        try:
            self.send_changes(outcome)
        except Exception as wrong:
            error = wrong
            if not isinstance(wrong, (TasukiError, OSError)):
                log.exception("a round over %s failed", self.volume)
        self.record_round(outcome, error, self.clock.monotonic() - began)
        return error is None and not any(brought.error for brought in outcome) and self.current_destination is not None

    def send_changes(self, results: list[ProjectResult]) -> None:
        """Do the work of a round; add the result of each project to `outcome`."""
        if self.uploader is not None:
            self.uploader.close_files()
        self.reload()
        self.set_destination(self.find_destination())
        if self.uploader is None:
            return
        for brought in self.uploader.run_round():
            results.append(brought)
            self.report_project(brought)
            if self.stop_event.is_set():
                return
        self.backoff.record_success()
        self.remove_old_journals()

    def find_destination(self) -> Destination | None:
        """Return the destination: the caller's, else the volume's. Raise ConfigError while it is invalid."""
        if self.settings.remote:
            return Destination(remote=self.settings.remote)
        return read_destination(self.volume)

    def set_destination(self, destination: Destination | None) -> None:
        """Set the destination. Raise ConfigError for a name that is not among the syncer's remotes."""
        if destination is None:
            self.say_if_new("", f"[syncer] waiting for a destination: tasuki volume init {self.volume} --remote NAME|URL")
        if destination == self.current_destination and (self.uploader is not None or destination is None):
            return
        self.close()
        self.current_destination = None
        if destination is not None:
            self.uploader = self.open_uploader(destination)
            self.say(f"[syncer] from {self.volume} to {destination}")
        self.current_destination = destination

    def open_uploader(self, destination: Destination) -> ServerUploader | SpaceUploader:
        """Create the uploader for a destination."""
        remotes = RemotesFile(self.settings.dir)
        if destination.space is not None:
            url, key = build_space_url(destination.space), get_space_key(destination.space, remotes)
            if not is_tasuki_server(url, key()):
                return SpaceUploader(self.volume, destination.space, self.settings.dir, clock=self.clock)
        else:
            url = remotes.resolve_url(destination.remote or "")
            key = self.settings.key(url) if self.settings.remote else remotes.token_source(url)
        return ServerUploader(self.volume, url, key, self.settings.dir, clock=self.clock)

    def remove_old_journals(self) -> None:
        """Remove journals that the server has had for long enough, once an hour; only with `remove_after`."""
        if (
            self.remove_after is None
            or not isinstance(self.uploader, ServerUploader)
            or self.clock.monotonic() < self.next_cleanup_at
        ):
            return
        self.next_cleanup_at = self.clock.monotonic() + CLEANUP_INTERVAL_SECONDS
        old = find_removable_runs(
            JournalFolder(self.volume),
            self.uploader.transport,
            self.uploader.remote_state.acks,
            self.remove_after,
            clock=self.clock,
        )
        remove_journals(old)
        for run in old:
            self.say(
                f"[syncer] removed {run.run!r} of {run.project!r}: {self.current_destination} has had it for {self.remove_after}"
            )

    # -- what is said

    def report_project(self, result: ProjectResult) -> None:
        """Report a project's result: an error once, until it changes or is over."""
        if result.records:
            self.say(f"[syncer] synced {result.project!r}")
        if result.error is not None:
            self.say_if_new(result.project, f"[syncer] error {result.project!r}: {result.error}")

    def say_if_new(self, project: str, line: str) -> None:
        """Print a line, unless it is the last one printed for the project."""
        if self.last_lines.get(project) != line:
            self.last_lines[project] = line
            self.say(line)

    def record_round(self, results: list[ProjectResult], error: Exception | None, seconds: float) -> None:
        """Record the result of the round."""
        failed = {brought.project: str(brought.error) for brought in results if brought.error is not None}
        if error is not None:
            self.say_if_new("", f"[syncer] error: {' '.join((str(error) or type(error).__name__).split())}")
            if isinstance(error, RemoteUnavailable) and error.retry_after_seconds is not None:
                self.retry_at = self.clock.monotonic() + error.retry_after_seconds
        elif self.current_destination is not None:  # what is not wrong any more will be said again if it comes back
            self.last_lines = {project: line for project, line in self.last_lines.items() if project in failed}
        self.record_remote_status(error)
        before = self.status
        self.status = msgspec.structs.replace(
            before,
            seen=self.clock.now_us(),
            destination=None if self.current_destination is None else str(self.current_destination),
            rounds=before.rounds + 1,
            round_seconds=seconds,
            projects=len({brought.project for brought in results}),
            records=before.records + sum(brought.records for brought in results),
            bytes=before.bytes if self.uploader is None else self.uploader.sent_bytes,
            failures=before.failures + len(failed) + (error is not None),
            last_success=before.last_success if error is not None or self.current_destination is None else self.clock.now_us(),
            errors=failed | ({} if error is None else {"": str(error)}),
        )
        try:
            write_status(self.settings.dir, self.status)
        except OSError as wrong:
            log.warning("how it goes can't be noted for tasuki doctor: %s", wrong)

    def record_remote_status(self, error: Exception | None) -> None:
        """Record the remote's status, as every sender does."""
        if not isinstance(self.uploader, ServerUploader):
            return
        if isinstance(error, RemoteError):
            self.backoff.record_failure(error)
            self.uploader.remote_state.status_file.record_failure(self.backoff.health, str(error), self.backoff.failures)
        elif error is None:
            self.uploader.remote_state.status_file.record_success(RemoteHealth.OK, has_answered=True)
