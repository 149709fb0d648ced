"""27 relays under one name, and one that does not wait, at a real server that has tokens."""

import base64
import os
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import msgspec

from tasuki.journal import JournalFolder
from tasuki.records import Item, ReplicateRequest, ReplicateResponse, RunStarted
from tasuki.relay import HttpTransport, ProcessSource, RelayThread, StopListener, open_remote_state
from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import open_tokens
from tests.support.journals import write_journal
from tests.support.processes import eventually
from tests.support.servers import MSGPACK, SERVE, Stream, serving

RELAYS = 27
RECORDS = 12
RECORD_BYTES = 150_000
SLOWLY = f"""from tasuki.server.auth.rate_limits import BandwidthLimit
BandwidthLimit.__init__.__defaults__ = ({6 * 1024 * 1024}, {64 * 1024 * 1024})
{SERVE}"""
"""A server that takes 6 MiB a second, which these relays can outrun on any machine."""


class Noting(HttpTransport):
    """Notes when each request was answered, and how long it was asked to stay away."""

    def __init__(self, remote: str, token: str) -> None:
        super().__init__(remote, token=token)
        self.answered: list[tuple[float, int]] = []

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        answer = super().replicate(items)
        if items:
            self.answered.append((time.monotonic(), answer.next_after_ms))
        return answer


def records(n: int) -> list[RunStarted]:
    """Large ones that can't be compressed much."""
    texts = [base64.b64encode(os.urandom(RECORD_BYTES)).decode() for _ in range(RECORDS)]
    return [RunStarted(time=1_800_000_000_000_000 + n, attempt=str(n), notes=text) for text in texts]


def test_27_relays_at_once_are_paced_never_starved_and_lose_nothing(tmp_path: Path):
    with open_tokens(tmp_path / "server") as tokens:
        admin, token = tokens.create(Scope.ADMIN), tokens.create(Scope.LOG, "p", name="fleet")
    with serving(tmp_path / "server", token=admin, script=SLOWLY) as server:
        relays = []
        for n in range(RELAYS):
            folder = tmp_path / str(n)
            write_journal(folder / "journal", records(n), run=f"r{n}", remote=server.url)
            source = ProcessSource(JournalFolder(folder / "journal"), server.url)
            key = str(token).__str__
            listener = StopListener(server.url, folder, key)
            relays.append(
                RelayThread(source, Noting(server.url, token), open_remote_state(folder, server.url), listener=listener, key=key)
            )
        for relay in relays:
            relay.start()
        eventually(lambda: all(relay.sent_records == RECORDS for relay in relays))
        noted = [relay.sender.transport.answered for relay in relays]
        for relay in relays:
            relay.stop()
            assert relay.thread is not None
            relay.thread.join()
            relay.sender.transport.close()
            relay.source.close()
        assert {relay.backoff.failures for relay in relays} == {0}
        assert max(after for answers in noted for _, after in answers) > 1000
        gaps = [later - before for answers in noted for (before, _), (later, _) in pairwise(answers)]
        assert max(gaps) < 10
        found = server.json("streams", project="p", limit=100, digest=1)
        assert found["total"] == RELAYS
        assert all(stream["sealed"] and not stream["damaged"] for stream in found["streams"])


def test_one_that_does_not_wait_is_told_when_to_come_again_and_another_is_not(tmp_path: Path):
    with open_tokens(tmp_path) as tokens:
        greedy, modest = tokens.create(Scope.LOG, "p"), tokens.create(Scope.LOG, "p")
    garbage = bytes(20 * 1024 * 1024)
    with serving(tmp_path, token=greedy) as server, closing(server.connected(modest)) as other:
        statuses = [server.post(garbage).status_code for _ in range(8)]
        assert statuses[0] == 400
        answer = server.post(garbage)
        assert answer.status_code == 429
        assert answer.json()["error"] == "too-fast"
        assert 1 <= int(answer.headers["Retry-After"]) <= 10
        body = msgspec.msgpack.encode(ReplicateRequest(items=[Stream("p", "own").item()]))
        assert other.post("/api/v1/replicate", content=body, headers=MSGPACK).status_code == 200
