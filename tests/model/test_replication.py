"""A small model of everything that can happen to streams on their way, over a disk in memory.

Sources append, tear, end, are restored from older copies, cloned and used twice, and show for a while less than they have; the
receiver is restored from older copies and purged; requests and replies are lost and repeated. In the end, with everybody sending
until nothing is left to say, the receiver has every record that any source has, each once.
"""

import copy
import itertools
from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tasuki.errors import RemoteUnavailable
from tasuki.journal import Liveness, Stream, derive_writer_id
from tasuki.records import Heartbeat, Item, ReplicateResponse, decode, encode, encode_frame, iterate_frames, measure_whole_frames
from tasuki.relay import AckLog, RouteState, Sender
from tasuki.store import RawStore, StreamStore, catch_up, connect_projection, dump
from tasuki.testing.reference_store.memory_store import MemoryStore

identities = itertools.count(1)


class DiskAcks(AckLog):
    """What was acknowledged, kept with the journals; restored and cloned with them."""

    def __init__(self) -> None:
        self.by_writer, self.stored_times, self.boot_id = {}, {}, None

    def append_line(self, line: str) -> None:
        self.parse_line(line.split())


class Disk:
    """A folder of journals: bytes by writer, which have ended, and from where on some can't be read now (a page is missing)."""

    def __init__(self) -> None:
        self.acks = DiskAcks()
        self.files: dict[str, bytes] = {}
        self.sealed: set[str] = set()
        self.holes: dict[str, int] = {}
        self.is_short = False
        """Whether what lies behind the holes is not even among what the sizes say."""

    def streams(self, exclude=()):
        for writer, data in sorted(self.files.items()):
            if writer not in exclude:
                size = measure_whole_frames(data) if writer in self.sealed else len(data)
                if self.is_short and writer not in self.sealed:
                    size = min(size, self.holes.get(writer, size))
                yield Stream(writer, "p", "run", size, writer in self.sealed)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        data, end = self.files.get(writer, b"")[offset : self.holes.get(writer)], 0
        for start, payload in iterate_frames(data):
            end = start + 8 + len(payload)
            if end >= limit_bytes:
                break
        return data[:end]

    def check_liveness(self, writer: str) -> Liveness:
        return Liveness.DEAD if writer in self.sealed else Liveness.ALIVE

    def close(self) -> None: ...

    def identities(self) -> set[int]:
        return {decode(payload).time for data in self.files.values() for _, payload in iterate_frames(data)}


class Wire:
    """A transport on which requests and replies can be lost, or come twice."""

    def __init__(self, machine: "Replication") -> None:
        self.machine = machine
        self.fault = ""

    def replicate(self, items: list[Item]) -> ReplicateResponse:
        if self.fault == "request lost":
            raise RemoteUnavailable("lost")
        replies = self.machine.receiver.append(items)
        if self.fault == "twice":
            replies = self.machine.receiver.append(items)
        if self.fault == "reply lost":
            raise RemoteUnavailable("lost")
        return ReplicateResponse(items=replies, boot_id=self.machine.boot_id)


class Replication(RuleBasedStateMachine):
    def new_receiver(self) -> StreamStore:
        raise NotImplementedError

    def older(self, receiver: StreamStore) -> StreamStore:
        raise NotImplementedError

    @initialize()
    def begin(self):
        self.receiver = self.new_receiver()
        self.backup = self.older(self.receiver)
        self.disks = [Disk()]
        self.senders: dict[int, Sender] = {}
        self.wires: dict[int, Wire] = {}
        self.snapshots: list[Disk] = [Disk()]
        self.writers = itertools.count(1)
        self.purged = False
        self.boot_id = "boot0"

    def sender(self, number: int) -> Sender:
        if number not in self.senders:
            self.wires[number] = Wire(self)
            self.senders[number] = Sender(self.disks[number], self.wires[number], self.disks[number].acks)
        return self.senders[number]

    def disk(self, data: st.DataObject) -> int:
        return data.draw(st.integers(0, len(self.disks) - 1), label="disk")

    @rule(data=st.data(), more=st.integers(1, 3))
    def append(self, data, more):
        disk = self.disks[self.disk(data)]
        alive = sorted(disk.files.keys() - disk.sealed)
        writer = data.draw(st.sampled_from([*alive, "new"]), label="writer")
        if writer == "new":
            writer = f"{next(self.writers):032x}"
        torn = measure_whole_frames(disk.files.get(writer, b"")) != len(disk.files.get(writer, b""))
        if not torn:
            new = b"".join(encode_frame(encode(Heartbeat(time=next(identities)))) for _ in range(more))
            disk.files[writer] = disk.files.get(writer, b"") + new

    @rule(data=st.data(), bytes_=st.integers(1, 20))
    def tear(self, data, bytes_):
        """The owner dies in the middle of a write: the stream has ended at its last whole frame."""
        disk = self.disks[self.disk(data)]
        for writer in sorted(disk.files.keys() - disk.sealed)[:1]:
            disk.files[writer] += encode_frame(encode(Heartbeat(time=next(identities))))[:bytes_]
            disk.files[writer] = disk.files[writer][: measure_whole_frames(disk.files[writer])]
            disk.sealed.add(writer)

    @rule(data=st.data(), fault=st.sampled_from(["", "", "request lost", "reply lost", "twice"]))
    def send(self, data, fault):
        number = self.disk(data)
        sender = self.sender(number)
        self.wires[number].fault = fault
        with suppress(RemoteUnavailable):
            sender.run_round()
        self.wires[number].fault = ""

    @rule(data=st.data(), is_short=st.booleans())
    def show_less(self, data, is_short):
        """Of a volume, pages may be missing, or the end, for a while."""
        disk = self.disks[self.disk(data)]
        disk.is_short = is_short
        disk.holes = {writer: data.draw(st.integers(0, 200), label="hole") for writer in sorted(disk.files)}

    @rule(data=st.data())
    def show_all(self, data):
        self.disks[self.disk(data)].holes = {}

    @rule(data=st.data())
    def restart_sender(self, data):
        self.senders.pop(self.disk(data), None)

    @rule()
    def keep_backup(self):
        self.backup = self.older(self.receiver)

    @rule()
    def restore_receiver(self):
        """The server comes back from an older copy; senders notice by its boot id."""
        self.receiver = self.older(self.backup)
        self.boot_id = f"boot{next(identities)}"

    @rule(data=st.data())
    def keep_snapshot(self, data):
        self.snapshots.append(copy.deepcopy(self.disks[self.disk(data)]))

    @rule(data=st.data())
    def restore_source(self, data):
        number = self.disk(data)
        self.disks[number] = copy.deepcopy(data.draw(st.sampled_from(self.snapshots), label="snapshot"))
        self.senders.pop(number, None)

    @precondition(lambda self: len(self.disks) < 3)
    @rule(data=st.data())
    def clone(self, data):
        self.disks.append(copy.deepcopy(self.disks[self.disk(data)]))

    @precondition(lambda self: not self.purged)
    @rule()
    def purge(self):
        self.receiver.purge("p", "run")
        self.purged = True

    @rule()
    def rebuild(self):
        """A projection made now says what the plain reading of the streams says."""
        db = connect_projection(":memory:")
        catch_up(db, self.receiver)
        assert {row[0] for found in dump(db).values() for row in found["streams"]} == {
            stream.writer for stream in self.receiver.streams() if stream.size or stream.is_sealed
        }
        db.close()

    def send_all(self, sender: Sender) -> None:
        for _ in range(200):
            if sender.run_round().items == 0:
                return
        raise AssertionError("the sender does not come to an end")

    def on_receiver(self) -> list[int]:
        return [
            decode(payload).time
            for stream in self.receiver.streams()
            for _, payload in iterate_frames(self.receiver.read(stream.writer, 0, 1 << 30))
        ]

    @invariant()
    def nothing_twice(self):
        if hasattr(self, "receiver"):
            found = self.on_receiver()
            assert len(found) == len(set(found))

    def teardown(self):
        if not hasattr(self, "receiver"):
            return
        for number, disk in enumerate(self.disks):
            sender = self.sender(number)
            self.send_all(sender)
            disk.holes = {}
            self.send_all(sender)
            assert sender.count_pending() == 0
            assert all(route.state in {RouteState.SEND, RouteState.SHORTER} for route in sender.routes.values())
        found = self.on_receiver()
        assert len(found) == len(set(found))
        if not self.purged:
            assert set().union(*(disk.identities() for disk in self.disks)) <= set(found)


class ToRawStore(Replication):
    def new_receiver(self):
        return RawStore(":memory:", max_packed_bytes=60)

    @rule(steps=st.integers(1, 5))
    def pack(self, steps):
        for _ in range(steps):
            self.receiver.pack()

    def older(self, receiver):
        older = RawStore(":memory:", max_packed_bytes=60)
        with older.db.backup("main", receiver.db, "main") as backup:
            backup.step()
        return older


class ToMemoryStore(Replication):
    def new_receiver(self):
        return MemoryStore()

    def older(self, receiver):
        return copy.deepcopy(receiver)


TestToRawStore = ToRawStore.TestCase
TestToMemoryStore = ToMemoryStore.TestCase


def test_a_derived_writer_is_the_same_whoever_derives_it():
    assert derive_writer_id("ab", 5) == derive_writer_id("ab", 5) != derive_writer_id("ab", 6)
