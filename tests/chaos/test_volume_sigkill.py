"""Writers on a volume and its syncer, killed at random, over a view of the volume that lags, is torn, and is there only in part."""

import random
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tasuki import VolumeSyncer
from tests.support.acknowledged_calls import Call, acknowledged, check
from tests.support.journals import metrics, write_journal
from tests.support.processes import Child, eventually
from tests.support.remote_server import Server, records_at
from tests.support.shell import TASUKI, environment, tasuki
from tests.support.soak import scaled

WRITES = """
import os, sys, time, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT
volume, folder, who = sys.argv[1:]
run = tasuki.init(PROJECT, who, journal=volume, dir=folder)
calls = Acknowledging(run, who)
while True:
    calls.log()
    if calls.n % 50 == 0:
        time.sleep(0.001)
"""
KILLS = scaled(20, 400)
AT_ONCE = 5
SYNCER_FAILS = [
    "volume.after_look=kill:3",
    "volume.after_send=kill:4",
    "relay.after_send=kill:5",
    "relay.after_reply=kill:6",
    "",
    "",
]
PAGE = 512


class View(threading.Thread):
    """Shows a volume as a snapshot-based one does: files late, shorter than they are, with pages missing, under new inodes."""

    def __init__(self, volume: Path, shown: Path, seed: int) -> None:
        super().__init__()
        self.volume, self.shown = volume, shown
        self.random = random.Random(seed)
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            for path in list(self.volume.rglob("*.tsk")):
                with suppress(FileNotFoundError):  # sealed meanwhile
                    self.show(path, self.random.choice(["whole", "whole", "short", "torn", "holed", "late"]))
            time.sleep(0.02)

    def show(self, path: Path, how: str) -> None:
        """One file."""
        if how == "late":
            return
        content = bytearray(path.read_bytes())
        if how in {"short", "torn"}:
            content = content[: self.random.randrange(len(content) + 1)]
        if how == "holed" and len(content) > 2 * PAGE:
            first = self.random.randrange(1, len(content) // PAGE) * PAGE
            content[first : first + PAGE] = bytes(len(content[first : first + PAGE]))
        target = self.shown / path.relative_to(self.volume)
        target.parent.mkdir(parents=True, exist_ok=True)
        if how == "torn":
            target.write_bytes(content)  # in place: a reader may see half of it
        else:
            draft = target.with_suffix(".view")
            draft.write_bytes(content)
            draft.rename(target)


class Syncer:
    """`tasuki syncer` over the view, killed and started again."""

    def __init__(self, shown: Path, state: Path, server: Server, seed: int) -> None:
        self.command = [*TASUKI, "syncer", f"--volume={shown}", f"--to={server.url}", "--interval=0.1"]
        self.state = state
        self.random = random.Random(seed)
        self.kills = 0
        self.start()

    def start(self) -> None:
        variables = environment(self.state, TASUKI_FAILPOINTS=self.random.choice(SYNCER_FAILS))
        self.process = subprocess.Popen(self.command, env=variables, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += 1

    def again(self) -> None:
        self.kill()
        self.start()


@pytest.mark.parametrize("seed", range(scaled(1, 5)))
def test_the_server_has_exactly_what_killed_writers_had_acknowledged(seed: int, tmp_path: Path) -> None:
    volume, shown = tmp_path / "volume", tmp_path / "shown"
    for folder in (volume, shown):
        folder.mkdir()
    rng = random.Random(seed)
    lines: list[str] = []
    kills = 0
    with Server(tmp_path / "server") as server:
        view, syncer = View(volume, shown, seed), Syncer(shown, tmp_path / "syncer", server, seed)
        view.start()
        try:
            while kills < KILLS:
                children = [Child(WRITES, volume, tmp_path / f"box-{n}", f"w{kills + n}") for n in range(AT_ONCE)]
                for child in children:
                    with child:
                        child.expect("ack", rng.randrange(20, 2000))
                        child.kill_all()
                        kills += 1
                        lines += child.lines
                syncer.again()
                if rng.random() < 0.3:
                    server.kill()
                    server.start()
        finally:
            view.stopping = True
            view.join()
            syncer.kill()
        shutil.rmtree(shown)
        eventually(
            lambda: tasuki(tmp_path / "syncer", "syncer", f"--volume={volume}", f"--to={server.url}", "--once").returncode == 0
        )
        calls = acknowledged(lines)
        assert kills >= 20
        assert syncer.kills >= 4
        assert len(calls) > 400
        none_but_the_last(server, calls)


def none_but_the_last(server: Server, calls: list[Call]) -> None:
    """Each call is there, once, exactly; of what did not return, one call of each writer at most."""
    last = {(call.run, call.who): call.n for call in calls}
    with server.caught_up() as query:
        for key, numbers in check(query, calls).items():  # type: ignore[arg-type] # it asks what any `Query` answers
            assert numbers == {last.get(key, 0) + 1}, f"{key}: {numbers}"


def test_what_a_view_shows_of_a_journal_is_sent_as_far_as_it_is_whole(tmp_path: Path) -> None:
    """Every prefix of a file, and every page of it missing: what arrives is always a prefix, and in the end all of it."""
    volume = tmp_path / "volume"
    path = write_journal(volume, [metrics(step) for step in range(200)])
    content = path.read_bytes()
    with Server(tmp_path / "server") as server, VolumeSyncer(volume, server.url, state=tmp_path / "syncer") as syncer:
        sizes = []
        for size in range(0, len(content), max(len(content) // scaled(40, 400), 1)):
            path.write_bytes(content[:size])
            syncer.once()
            holed = bytearray(content)
            holed[size : size + PAGE] = bytes(len(holed[size : size + PAGE]))
            path.write_bytes(holed)
            syncer.once()
            sizes.append(records_at(server))
        path.write_bytes(content)
        assert syncer.once()
        assert sizes == sorted(sizes)
        assert records_at(server) == 200
        with server.caught_up() as query:
            assert [row.step for row in query.history("p", "r")] == list(range(200))
