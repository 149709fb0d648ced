"""A real server process, and streams to send to it."""

import http.client
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import msgspec
import psutil

from tasuki.records import (
    Item,
    ItemReply,
    Metrics,
    Record,
    ReplicateRequest,
    ReplicateResponse,
    RunStarted,
    encode,
    encode_frame,
    pack_item,
)

__all__ = ["Sender", "Server", "Stream", "metrics", "serving", "started"]

SERVE = """
import sys
from tasuki.server.serve import serve
from tasuki.settings import load
serve(load(dir=sys.argv[1]), sys.argv[3], int(sys.argv[2]))
"""
BEGAN = 1_800_000_000_000_000
MSGPACK = {"Content-Type": "application/msgpack"}


class Server:
    """`tasuki serve` over a folder; asked with a token, if one is given."""

    def __init__(
        self, folder: Path, port: int = 0, *, host: str = "127.0.0.1", token: str | None = None, script: str = SERVE
    ) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, str(folder), str(port), host], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stderr is not None
        self.said = [self.process.stderr.readline()]
        found = re.search(r"http://[^ ]+:(\d+)/", self.said[0])
        assert found, self.said[0] + self.process.stderr.read()
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.listener = threading.Thread(target=self.said.extend, args=(self.process.stderr,))
        self.listener.start()
        self.client = self.connected(token)

    def connected(self, token: str | None) -> httpx.Client:
        """A client of its own, with a token or without; whoever asks for one closes it."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, timeout=30, transport=httpx.HTTPTransport(retries=3), headers=headers)

    @property
    def projector(self) -> psutil.Process:
        """The process that projects."""
        while not (children := psutil.Process(self.process.pid).children()):
            pass
        return children[0]

    def get(self, path: str, **asked: Any) -> httpx.Response:
        return self.client.get(f"/api/v1/{path}", params=asked)

    def json(self, path: str, **asked: Any) -> dict[str, Any]:
        answer = self.get(path, **asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def replicate(self, items: Iterable[Item], **more: Any) -> ReplicateResponse:
        answer = self.post(msgspec.msgpack.encode(ReplicateRequest(items=list(items), **more)))
        assert answer.status_code == 200, answer.text
        return msgspec.msgpack.decode(answer.content, type=ReplicateResponse)

    def post(self, body: bytes, **headers: str) -> httpx.Response:
        return self.client.post("/api/v1/replicate", content=body, headers=MSGPACK | headers)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        self.listener.join(20)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@contextmanager
def serving(folder: Path, port: int = 0, **how: Any) -> Iterator[Server]:
    server = Server(folder, port, **how)
    try:
        yield server
    finally:
        server.end()


class Sender:
    """A connection of its own that sends one item after the other. ConnectionError when there is no answer."""

    def __init__(self, server: "Server") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)

    def __call__(self, item: Item) -> ItemReply:
        body = msgspec.msgpack.encode(ReplicateRequest(items=[item]))
        try:
            self.connection.request("POST", "/api/v1/replicate", body, MSGPACK)
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError from error
        assert answer.status == 200, content
        return msgspec.msgpack.decode(content, type=ReplicateResponse).items[0]

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


class Stream:
    """A writer's stream, cut into items that are to be sent one after the other."""

    def __init__(self, project: str = "p", run: str | None = None) -> None:
        self.project = project
        self.run = run or secrets.token_hex(4)
        self.writer = secrets.token_hex(16)
        self.offset = self.crc = 0

    def item(self, records: Iterable[Record] = (), *, data: bytes | None = None, sealed: bool = False) -> Item:
        """The next item; the stream is behind it then."""
        frames = data if data is not None else b"".join(encode_frame(encode(record)) for record in records)
        packed = pack_item(frames) if frames else None
        item = Item(
            project=self.project, run=self.run, writer=self.writer, offset=self.offset, crc=self.crc, sealed=sealed, data=packed
        )
        self.offset, self.crc = self.offset + len(frames), crc32(frames, self.crc)
        return item


def started(name: str | None = None) -> RunStarted:
    """How a run begins."""
    return RunStarted(time=BEGAN, attempt="one", name=name)


def metrics(*steps: int, name: str = "loss") -> list[Metrics]:
    """What a run logs."""
    return [Metrics(time=BEGAN + 1 + step, step=step, values={name: float(step)}) for step in steps]
