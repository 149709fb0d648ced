"""Upload a volume to one server: its journals and trackio databases, by the relay's sender."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import RemoteRejected
from tasuki.failpoints import reach
from tasuki.importers.trackio.folder import TrackioFolder
from tasuki.importers.trackio.sender import ProjectResult, TrackioSender
from tasuki.records import Item, ItemReply, ReplicateResponse
from tasuki.relay.http_transport import HttpTransport
from tasuki.relay.sender import ReceiverTransport, Sender, SentItem
from tasuki.relay.state.remote_state import RemoteState, open_kept
from tasuki.relay.stream_route import RouteState, StreamRoute
from tasuki.remotes import Key
from tasuki.volumes.volume_source import VolumeSource

__all__ = ["ServerUploader"]


class MeteredTransport:
    """A transport that counts the bytes of records sent."""

    def __init__(self, transport: ReceiverTransport) -> None:
        self.transport = transport
        self.bytes = 0

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        """Send one request."""
        self.bytes += sum(len(item.data) for item in items if item.data is not None)
        return self.transport.replicate(items)


class ProjectSender(Sender):
    """A sender that can be limited to one project, and counts acknowledged records by project."""

    only: str | None = None
    arrived: Counter[str]

    def open_routes(self) -> list[StreamRoute]:
        """Return the routes with something left to do."""
        return [route for route in super().open_routes() if self.only in (None, route.stream.project)]

    def hear(self, said: SentItem, reply: ItemReply) -> int:
        """Process one reply."""
        records = super().hear(said, reply)
        self.arrived[said.route.stream.project] += records
        return records


class ServerUploader:
    """Uploads to one server. `state`: the syncer's data folder. Not thread-safe."""

    def __init__(self, volume: Path, url: str, key: Key, state: Path, *, clock: Clock = SYSTEM) -> None:
        self.url = url
        self.http = HttpTransport(url, token=key, clock=clock)
        self.transport = MeteredTransport(self.http)
        self.kept: RemoteState = open_kept(state, url, clock=clock)
        self.journals = VolumeSource(volume)
        self.sender = ProjectSender(self.journals, self.transport, self.kept.acks, self.kept.aside, clock=clock)
        self.trackio = TrackioFolder(volume, state / "syncer" / "trackio", to=url, clock=clock)
        self.bringer = TrackioSender(self.trackio, self.transport, self.kept.aside, clock=clock)

    def close(self) -> None:
        """Close all files and connections."""
        self.journals.close()
        self.trackio.close()
        self.http.close()

    @property
    def sent_bytes(self) -> int:
        """Return the compressed bytes of records sent."""
        return self.transport.bytes

    def let_go(self) -> None:
        """Close the volume's files, so that it can be reloaded."""
        self.journals.close()

    def round(self) -> Iterator[ProjectResult]:
        """Send what is new; yield the result of each project. RemoteUnavailable ends the round.

        So does RemoteMisconfigured that concerns every project.
        """
        yield from self.send_journals()
        yield from self.bringer.round()

    def send_journals(self) -> Iterator[ProjectResult]:
        """Send all journals at once, or project by project where one of them makes the server refuse all."""
        self.sender.arrived = Counter()
        self.sender.greet()
        self.journals.refresh(self.sender.finished)
        reach("volume.after_look")
        failed = dict(self.journals.errors)
        try:
            self.send(None)
        except RemoteRejected:
            for project in sorted({route.stream.project for route in self.sender.open_routes()}):
                try:
                    self.send(project)
                except RemoteRejected as error:
                    failed[project] = str(error)
        failed |= {route.stream.project: self.unsent(route) for route in self.sender.routes.values() if self.unsent(route)}
        for project in sorted(self.sender.arrived.keys() | failed.keys()):
            wrong = RemoteRejected(failed[project]) if project in failed else None
            if wrong or self.sender.arrived[project]:
                yield ProjectResult(project, self.sender.arrived[project], wrong)

    def send(self, only: str | None) -> None:
        """Send until nothing is left."""
        self.sender.only = only
        try:
            while self.sender.once().items:
                reach("volume.after_send")
        finally:
            self.sender.only = None

    def unsent(self, route: StreamRoute) -> str:
        """Return why the rest of a stream is not sent."""
        if route.state is RouteState.ASIDE:
            return f"{route.stream.writer} is not taken: {route.reason}"
        is_stuck = (route.state is RouteState.SEND and route.stream.sealed) or route.state is RouteState.SHORTER
        if is_stuck and not route.is_done and route.stream.writer in self.journals.found:
            return f"{route.stream.writer} is damaged, or not all here yet, at {route.reached}"
        return ""
