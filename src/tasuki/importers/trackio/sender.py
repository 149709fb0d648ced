"""Send trackio's records to a receiver: a server, or the journals of a data folder."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import DataError, RemoteRejected, RemoteUnavailable
from tasuki.failpoints import reach
from tasuki.importers.derived_stream import BytesReleased
from tasuki.importers.trackio.folder import PendingProject, TrackioFolder
from tasuki.importers.trackio.project_source import ProjectSource
from tasuki.records import Item
from tasuki.relay.sender import ReceiverTransport, Sender
from tasuki.relay.state.dead_letters import DeadLetterLog
from tasuki.relay.stream_route import RouteState

__all__ = ["ProjectResult", "TrackioSender"]

ASK_AT_ONCE = 1000


class ProjectResult(NamedTuple):
    """Result of a project in a round: records delivered, and the error, if any."""

    project: str
    records: int = 0
    error: Exception | None = None


class TrackioSender:
    """Sends one folder to one receiver. Not thread-safe."""

    def __init__(
        self, folder: TrackioFolder, transport: ReceiverTransport, aside: DeadLetterLog | None = None, *, clock: Clock = SYSTEM
    ) -> None:
        self.folder = folder
        self.transport = transport
        self.aside = aside
        self.clock = clock
        self.senders: dict[str, Sender] = {}
        self.boot_id: str | None = None

    def round(self) -> Iterator[ProjectResult]:
        """Send new data, project by project; retry failures in the next round.

        RemoteUnavailable ends the round.
        """
        self.greet()
        for found in self.folder.look():
            yield self.outcome(found)

    def greet(self) -> None:
        """Ask a restarted receiver, perhaps an older copy, for every stream again."""
        boot_id = self.transport.replicate([]).boot_id
        if self.boot_id not in (None, boot_id):
            self.forget()
        self.boot_id = boot_id

    def forget(self) -> None:
        """Rebuild all streams, and ask for each of them."""
        self.senders.clear()
        self.folder.forget()

    def outcome(self, found: PendingProject) -> ProjectResult:
        """Do one project's round."""
        if found.project is None:
            return ProjectResult(found.name, 0, found.error)
        try:
            return ProjectResult(found.name, self.bring(found.project))
        except RemoteUnavailable:
            raise
        except BytesReleased:
            self.forget()
            return ProjectResult(found.name)  # all of it comes in the next round
        except (DataError, RemoteRejected, OSError) as error:
            return ProjectResult(found.name, 0, error)

    def bring(self, project: ProjectSource) -> int:
        """Read a project's new data and send it; return the number of records delivered."""
        if project.has_changed:
            project.refresh(self.known)
            reach("trackio.after_read")
        sender = self.senders.get(project.name)
        if sender is None:
            sender = self.senders[project.name] = Sender(project, self.transport, None, self.aside, clock=self.clock)
        records = 0
        while (said := sender.once()).items:
            records += said.records
        project.settle()
        refused = [route for route in sender.routes.values() if route.state is RouteState.ASIDE]
        if refused:
            raise RemoteRejected(f"{len(refused)} streams are not taken: {refused[0].reason}")
        return records

    def known(self, items: Sequence[Item]) -> Collection[str]:
        """Return the streams that the receiver has bytes of."""
        there: set[str] = set()
        for first in range(0, len(items), ASK_AT_ONCE):
            there |= {reply.writer for reply in self.transport.replicate(items[first : first + ASK_AT_ONCE]).items if reply.offset}
        return there
