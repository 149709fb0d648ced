"""Upload a volume to one server: its journals and trackio databases, by the relay's sender."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import RemoteRejected
from tasuki.failpoints import hit_failpoint
from tasuki.importers.trackio.folder import TrackioFolder
from tasuki.importers.trackio.sender import ProjectResult, TrackioSender
from tasuki.records import Item, ItemReply, ReplicateResponse
from tasuki.relay.http_transport import HttpTransport
from tasuki.relay.sender import ReceiverTransport, Sender, SentItem
from tasuki.relay.state.remote_state import RemoteState, open_remote_state
from tasuki.relay.stream_route import RouteState, StreamRoute
from tasuki.remotes import TokenSource
from tasuki.volumes.volume_source import VolumeSource

__all__ = ["ServerUploader"]


class MeteredTransport:
    """A transport that counts the bytes of records sent."""

    def __init__(self, transport: ReceiverTransport) -> None:
        self.transport = transport
        self.sent_bytes = 0

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        """Send one request."""
        self.sent_bytes += sum(len(item.data) for item in items if item.data is not None)
        return self.transport.replicate(items)


class ProjectSender(Sender):
    """A sender that can be limited to one project, and counts acknowledged records by project."""

    selected_project: str | None = None
    arrived_records: Counter[str]

    def list_open_routes(self) -> list[StreamRoute]:
        """Return the routes with something left to do."""
        return [route for route in super().list_open_routes() if self.selected_project in (None, route.stream.project)]

    def apply_reply(self, sent_item: SentItem, reply: ItemReply) -> int:
        """Process one reply."""
        records = super().apply_reply(sent_item, reply)
        self.arrived_records[sent_item.route.stream.project] += records
        return records


class ServerUploader:
    """Uploads to one server. `state`: the syncer's data folder. Not thread-safe."""

    def __init__(self, volume: Path, url: str, key: TokenSource, state: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.url = url
        self.http_transport = HttpTransport(url, token=key, clock=clock)
        self.transport = MeteredTransport(self.http_transport)
        self.remote_state: RemoteState = open_remote_state(state, url, clock=clock)
        self.volume_source = VolumeSource(volume)
        self.sender = ProjectSender(
            self.volume_source, self.transport, self.remote_state.acks, self.remote_state.dead_letters, clock=clock
        )
        self.trackio_folder = TrackioFolder(volume, state / "syncer" / "trackio", destination=url, clock=clock)
        self.trackio_sender = TrackioSender(self.trackio_folder, self.transport, self.remote_state.dead_letters, clock=clock)

    def close(self) -> None:
        """Close all files and connections."""
        self.volume_source.close()
        self.trackio_folder.close()
        self.http_transport.close()

    @property
    def sent_bytes(self) -> int:
        """Return the compressed bytes of records sent."""
        return self.transport.sent_bytes

    def close_files(self) -> None:
        """Close the volume's files, so that it can be reloaded."""
        self.volume_source.close()

    def run_round(self) -> Iterator[ProjectResult]:
        """Send what is new; yield the result of each project. RemoteUnavailable ends the round.

        So does RemoteMisconfigured that concerns every project.
        """
        yield from self.send_journals()
        yield from self.trackio_sender.run_round()

    def send_journals(self) -> Iterator[ProjectResult]:
        """Send all journals at once, or project by project where one of them makes the server refuse all."""
        self.sender.arrived_records = Counter()
        self.sender.check_boot_id()
        self.volume_source.refresh(self.sender.finished_writers)
        hit_failpoint("volume.after_look")
        failed = dict(self.volume_source.errors)
        try:
            self.send_until_done(None)
        except RemoteRejected:
            for project in sorted({route.stream.project for route in self.sender.list_open_routes()}):
                try:
                    self.send_until_done(project)
                except RemoteRejected as error:
                    failed[project] = str(error)
        failed |= {
            route.stream.project: self.describe_unsent(route)
            for route in self.sender.routes.values()
            if self.describe_unsent(route)
        }
        for project in sorted(self.sender.arrived_records.keys() | failed.keys()):
            wrong = RemoteRejected(failed[project]) if project in failed else None
            if wrong or self.sender.arrived_records[project]:
                yield ProjectResult(project, self.sender.arrived_records[project], wrong)

    def send_until_done(self, project: str | None) -> None:
        """Send until nothing is left."""
        self.sender.selected_project = project
        try:
            while self.sender.run_round().items:
                hit_failpoint("volume.after_send")
        finally:
            self.sender.selected_project = None

    def describe_unsent(self, route: StreamRoute) -> str:
        """Return why the rest of a stream is not sent."""
        if route.state is RouteState.REFUSED:
            return f"{route.stream.writer} is not taken: {route.reason}"
        is_stuck = (route.state is RouteState.SEND and route.stream.is_sealed) or route.state is RouteState.SHORTER
        if is_stuck and not route.is_done and route.stream.writer in self.volume_source.found_streams:
            return f"{route.stream.writer} is damaged, or not all here yet, at {route.delivered_offset}"
        return ""
