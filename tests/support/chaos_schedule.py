"""A random schedule of trainings and notes, killed clients, killed servers and a network that fails:
`python -m tests.support.chaos_schedule`.

The same seed makes the same decisions. At the end all that was acknowledged has to be on the server, once, exactly, and nothing
that was not said; `AssertionError` else.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import msgspec

from tasuki.client.http_query import HttpQuery
from tasuki.store import RAW_FILE
from tasuki.testing import Fault, FaultProxy
from tests.support.acknowledged_calls import PROJECT, Call, acknowledged, check
from tests.support.processes import Child
from tests.support.remote_server import Server, differences, records_at, records_in, sync_all
from tests.support.shell import tasuki

__all__ = ["Counts", "Schedule"]

TRAINS = """
import select, sys, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
remote, who, folder = sys.argv[1:]
run = tasuki.init(PROJECT, who, remote=remote, dir=folder, system_metrics=False)  # `check` knows the calls only
calls = Acknowledging(run, who)
while not select.select([sys.stdin], [], [], 0.01)[0]:
    for _ in range(5):
        calls.log()
run.finish()
"""
NOTES = """
import select, sys
from tasuki import Brain
from tests.support.acknowledged_calls import say
remote, who, folder = sys.argv[1:]
brain = Brain(folder, remote=remote, session=1)
say("brain", brain.id)
count = 0
while not select.select([sys.stdin], [], [], 0.02)[0]:
    count += 1
    say("note", brain.id, brain.correct(f"draft {count} of {who}", "final")["event_id"])
brain.close()
"""
CLIENTS = 4
FOLDERS = 3
FAULTS = [Fault.LOST, Fault.HALF, Fault.DUPLICATE, Fault.RESET, Fault.PORTAL, Fault.BAD_GATEWAY, Fault.UNAVAILABLE]
FAULTS += [Fault.GATEWAY_TIMEOUT, Fault.LATER_GARBAGE]


class Counts(msgspec.Struct, kw_only=True):
    """What happened, and what came of it."""

    seed: int
    clients: int = 0
    clients_killed: int = 0
    servers_killed: int = 0
    faults: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0


class Schedule:
    """One schedule over a folder. `play` it for some seconds; what is left is checked then."""

    def __init__(self, seed: int, place: Path) -> None:
        self.random = random.Random(seed)
        self.counts = Counts(seed=seed)
        self.folders = [place / f"client-{n}" for n in range(FOLDERS)]
        self.server = Server(place / "server")
        self.proxy = FaultProxy(self.server.port, faults=FAULTS, odds=0.2, seed=seed)
        self.children: list[Child] = []
        self.lines: list[str] = []
        self.stack = ExitStack()

    def play(self, seconds: float) -> Counts:
        """Do what comes to mind for so long, let the rest arrive, and check all of it."""
        until = time.monotonic() + seconds
        with self.server, self.proxy, self.stack:
            while time.monotonic() < until:
                self.refill()
                time.sleep(self.random.uniform(0.05, 0.5))
                self.random.choices([self.kill_client, self.kill_server, self.end_client], [5, 3, 1])[0]()
            while self.children:
                self.end_client()
            self.counts.faults = self.proxy.total() - self.proxy.counts[Fault.NONE]
            self.settle()
            self.check()
        return self.counts

    # -- what may happen

    def refill(self) -> None:
        """As many clients as there should be."""
        while len(self.children) < CLIENTS:
            self.counts.clients += 1
            script = self.random.choice([TRAINS, TRAINS, NOTES])
            who, folder = f"c{self.counts.clients}", self.random.choice(self.folders)
            if script is NOTES:
                folder = folder.with_name(f"{folder.name}-brain")
            self.children.append(self.stack.enter_context(Child(script, self.proxy.url, who, folder)))

    def kill_client(self) -> None:
        """SIGKILL one."""
        child = self.drawn()
        child.kill_all()
        self.counts.clients_killed += 1
        self.lines += child.lines

    def end_client(self) -> None:
        """Let one finish, which must be a success."""
        child = self.drawn()
        child.tell("enough")
        self.lines += child.done()

    def kill_server(self) -> None:
        """SIGKILL it, and start it again a little later."""
        self.server.kill()
        self.counts.servers_killed += 1
        time.sleep(self.random.uniform(0, 0.2))
        self.server.start()

    def drawn(self) -> Child:
        """One of the clients, which is no longer one."""
        return self.children.pop(self.random.randrange(len(self.children)))

    # -- what came of it

    def settle(self) -> None:
        """Send what dead processes have left behind."""
        self.proxy.faults = []
        for folder in self.all_folders():
            assert sync_all(folder, self.proxy.url).pending == 0
            assert differences(folder, self.proxy.url) == []
            assert records_at(self.server, folder) == records_in(folder)
            verified = tasuki(folder, "verify")
            assert verified.returncode == 0, verified.stdout + verified.stderr

    def check(self) -> None:
        """Each call and note is there, once; of what did not return, one call of each client at most."""
        calls = acknowledged(self.lines)
        with self.server.caught_up() as query:
            self.count(query, calls)
            extra = check(query, calls)  # type: ignore[arg-type] # it asks what any `Query` answers
            last = {(call.run, call.who): call.n for call in calls}
            for key, numbers in extra.items():
                assert numbers == {last.get(key, 0) + 1}, f"{key}: {numbers}"
            noted = [json.loads(line.removeprefix("note ")) for line in self.lines if line.startswith("note ")]
            for brain in {brain for brain, _ in noted}:
                there = Counter(note.event_id for note in query.notes(brain))
                assert {event for of, event in noted if of == brain} <= set(there), "a note is lost"
                assert set(there.values()) == {1}, "a note is there twice"
        self.counts.acknowledged = len(calls) + len(noted)
        self.server.stop()
        with closing(apsw.Connection(str(self.server.folder / RAW_FILE))) as db:
            assert db.pragma("integrity_check") == "ok"

    def count(self, query: HttpQuery, calls: list[Call]) -> None:
        """How many calls are not there, and how many more than once."""
        found: Counter[tuple[str, str, int]] = Counter()
        for run in {call.run for call in calls}:
            for row in query.history(PROJECT, run):
                found.update((run, name[2:], int(value)) for name, value in row.metrics.items() if name.startswith("n/"))
        self.counts.lost = len({(call.run, call.who, call.n) for call in calls} - set(found))
        self.counts.doubled = found.total() - len(found)
        assert (self.counts.lost, self.counts.doubled) == (0, 0), self.counts

    def all_folders(self) -> list[Path]:
        """Those in which something was recorded."""
        beside = [folder.with_name(f"{folder.name}-brain") for folder in self.folders]
        return [folder for folder in (*self.folders, *beside) if folder.exists()]


def main(arguments: list[str]) -> int:
    """Play one schedule per seed; a line of counts, as JSON, for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.chaos_schedule")
    parser.add_argument("--seeds", type=int, nargs="*", help="random ones, if not given")
    parser.add_argument("--trials", type=int, default=3, help="how many random seeds")
    parser.add_argument("--seconds", type=float, default=220, help="how long each is played")
    options = parser.parse_args(arguments)
    for seed in options.seeds or [random.randrange(10**9) for _ in range(options.trials)]:
        with TemporaryDirectory() as place:
            counts = Schedule(seed, Path(place)).play(options.seconds)
        sys.stdout.write(f"{msgspec.json.encode(counts).decode()}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
