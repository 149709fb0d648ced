"""Send trackio's records to a receiver: a server, or the journals of a data folder."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import DataError, RemoteRejected, RemoteUnavailable
from tasuki.failpoints import hit_failpoint
from tasuki.importers.derived_stream import BytesReleased
from tasuki.importers.trackio.folder import PendingProject, TrackioFolder
from tasuki.importers.trackio.project_source import ProjectSource
from tasuki.records import Item
from tasuki.relay.sender import ReceiverTransport, Sender
from tasuki.relay.state.dead_letters import DeadLetterLog
from tasuki.relay.stream_route import RouteState

__all__ = ["ProjectResult", "TrackioSender"]

MAX_ITEMS_PER_REQUEST = 1000


class ProjectResult(NamedTuple):
    """Result of a project in a round: records delivered, and the error, if any."""

    project: str
    records: int = 0
    error: Exception | None = None


class TrackioSender:
    """Sends one folder to one receiver. Not thread-safe."""

    def __init__(
        self,
        folder: TrackioFolder,
        transport: ReceiverTransport,
        dead_letters: DeadLetterLog | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.folder = folder
        self.transport = transport
        self.dead_letters = dead_letters
        self.clock = clock
        self.senders: dict[str, Sender] = {}
        self.boot_id: str | None = None

    def run_round(self) -> Iterator[ProjectResult]:
        """Send new data, project by project; retry failures in the next round.

        RemoteUnavailable ends the round.
        """
        self.check_boot_id()
        for found in self.folder.iter_pending_projects():
            yield self.send_project(found)

    def check_boot_id(self) -> None:
        """Ask a restarted receiver, perhaps an older copy, for every stream again."""
        boot_id = self.transport.replicate([]).boot_id
        if self.boot_id not in (None, boot_id):
            self.reset()
        self.boot_id = boot_id

    def reset(self) -> None:
        """Rebuild all streams, and ask for each of them."""
        self.senders.clear()
        self.folder.reset()

    def send_project(self, pending: PendingProject) -> ProjectResult:
        """Do one project's round."""
        if pending.source is None:
            return ProjectResult(pending.name, 0, pending.error)
        try:
            return ProjectResult(pending.name, self.read_and_send(pending.source))
        except RemoteUnavailable:
            raise
        except BytesReleased:
            self.reset()
            return ProjectResult(pending.name)  # all of it comes in the next round
        except (DataError, RemoteRejected, OSError) as error:
            return ProjectResult(pending.name, 0, error)

    def read_and_send(self, project: ProjectSource) -> int:
        """Read a project's new data and send it; return the number of records delivered."""
        if project.has_changed:
            project.refresh(self.find_known_writers)
            hit_failpoint("trackio.after_read")
        sender = self.senders.get(project.name)
        if sender is None:
            sender = self.senders[project.name] = Sender(project, self.transport, None, self.dead_letters, clock=self.clock)
        records = 0
        while (said := sender.run_round()).items:
            records += said.records
        project.release_delivered()
        refused = [route for route in sender.routes.values() if route.state is RouteState.REFUSED]
        if refused:
            raise RemoteRejected(f"{len(refused)} streams are not taken: {refused[0].reason}")
        return records

    def find_known_writers(self, items: Sequence[Item]) -> Collection[str]:
        """Return the streams that the receiver has bytes of."""
        there: set[str] = set()
        for first in range(0, len(items), MAX_ITEMS_PER_REQUEST):
            there |= {
                reply.writer
                for reply in self.transport.replicate(items[first : first + MAX_ITEMS_PER_REQUEST]).items
                if reply.offset
            }
        return there
