"""A real server: what it refuses, how it says so, and that it takes little memory for it."""

import gzip
import http.client
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
import zstandard

from tasuki.errors import ConfigError
from tasuki.records import ReplyStatus
from tasuki.server.serve import serve
from tasuki.settings import load
from tests.support.servers import SERVE, Server, Stream, metrics, serving, started

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refusing")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """One for all: nothing that is refused changes it."""
    with serving(folder) as server:
        yield server


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    said = answer.json()
    assert said["status"] == answer.status_code
    return said["status"], said["error"]


class Peak:
    """The most memory that a process has had."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process
        self.most = 0
        self.halt = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self) -> None:
        while not self.halt.wait(0.01):
            self.most = max(self.most, self.process.memory_info().rss)

    def stop(self) -> int:
        self.halt.set()
        self.thread.join()
        return self.most


def bomb_of(mib: int) -> bytes:
    """One zstd frame of zeros, of a stated size."""
    packing = zstandard.ZstdCompressor(level=-5).compressobj(size=mib * MIB)
    return b"".join(packing.compress(zeros) for zeros in [bytes(MIB)] * mib) + packing.flush()


def test_a_body_that_is_too_large_is_refused_before_it_is_read(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/api/v1/replicate")
    connection.putheader("Content-Type", "application/msgpack")
    connection.putheader("Content-Length", str(33 * MIB))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, msgspec.json.decode(answer.read())["error"]) == (413, "too-large")
    connection.close()


def test_a_body_without_a_length_is_refused_where_it_is_too_large(server):
    chunks = (b"x" * MIB for _ in range(40))
    answer = server.client.post("/api/v1/replicate", content=chunks, headers={"Content-Type": "application/msgpack"})
    assert problem(answer) == (413, "too-large")


def test_bombs_and_garbage_are_refused_in_bounded_memory(server):
    process = psutil.Process(server.process.pid)
    stream = Stream()
    bomb = bomb_of(10 * 1024)
    lying = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100 * MIB))
    before = process.memory_info().rss
    peak = Peak(process)
    items = [
        msgspec.structs.replace(stream.item(), writer=secrets.token_hex(16), data=data)
        for data in (bomb, lying, b"not zstd", zstandard.compress(b"not frames"), b"")
    ]
    replies = server.replicate(items).items
    assert {reply.status for reply in replies} == {ReplyStatus.REJECTED}
    assert "10737418240" in replies[0].hint
    assert "whole frames" in replies[3].hint
    garbage = os.urandom(31 * MIB)
    assert problem(server.post(garbage)) == (400, "bad-request")
    assert problem(server.post(b"<html>hello</html>")) == (400, "bad-request")
    many = msgspec.msgpack.encode({"items": [{"writer": "a"}] * 1_000_000})
    assert problem(server.post(many)) == (413, "too-large")
    many = msgspec.json.encode({"items": [{"writer": "a" * 32, "project": "p", "run": "r", "offset": 0, "crc": 0}] * 75_000})
    assert len(many) < 8 * MIB
    answer = server.client.post("/api/v1/replicate", content=many, headers={"Content-Type": "application/json"})
    assert problem(answer) == (413, "too-large")
    assert peak.stop() - before < 200 * MIB
    assert server.replicate([stream.item([started()])]).items[0].status is ReplyStatus.STORED


def test_one_bad_item_does_not_harm_the_others(server):
    streams = [Stream() for _ in range(3)]
    items = [stream.item([started()]) for stream in streams]
    items[1] = msgspec.structs.replace(items[1], writer="../../etc/passwd")
    assert [reply.status for reply in server.replicate(items).items] == ["stored", "rejected", "stored"]


def test_names_that_are_not_of_this_machine_are_refused(server):
    answer = server.client.get("/api/v1/meta", headers={"Host": "evil.example"})
    assert problem(answer) == (421, "bad-host")
    answer = server.client.post("/api/v1/purge?project=p&run=r", headers={"Origin": "http://evil.example"})
    assert problem(answer) == (403, "bad-origin")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_only_addresses_of_this_machine_are_listened_on(folder, host):
    with pytest.raises(ConfigError, match="tokens come first"):
        serve(load(dir=str(folder)), host, 0)


def test_a_port_that_is_taken_is_said(server, folder):
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(folder), str(server.port), "127.0.0.1"], capture_output=True, text=True, timeout=20
    )
    assert done.returncode != 0
    assert "can't be listened on" in done.stderr


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("projects/x", 404),
        ("runs", 400),
        ("runs?project=nobody", 404),
        ("runs?project=p&limit=0", 400),
        ("runs?project=p&limit=x", 400),
        ("runs?project=p&cursor=x", 400),
        ("runs?project=p&order=up", 400),
        ("runs/r9?project=p", 404),
        ("runs/r/history?project=p&metric=nothing", 404),
        ("runs/r/points?project=p&metric=nothing", 404),
        ("series?project=p&run=r9&metric=loss", 404),
        ("series?project=p&metric=loss", 400),
        ("series?project=p&run=r&metric=loss&columns=0", 400),
        ("alerts?project=p&since=x", 404),
        ("runs?project=p&after=x", 400),
    ],
)
def test_a_wrong_question_says_what_is_wrong(server, path, status):
    stream = Stream(run="r")
    server.replicate([stream.item([started(), *metrics(1)])])
    answer = server.client.get(f"/api/v1/{path}")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert (said["status"], said["type"]) == (status, "about:blank")
    assert said["title"]
    assert said["detail"]


def test_a_method_that_is_not_there_is_refused(server):
    assert problem(server.client.delete("/api/v1/runs")) == (405, "method-not-allowed")


def test_a_compressed_body_is_not_unpacked(server):
    bomb = gzip.compress(bytes(20 * MIB))
    assert problem(server.post(bomb, **{"Content-Encoding": "gzip"})) == (400, "bad-request")


def test_huge_headers_are_refused_and_the_server_goes_on(server):
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as connection, suppress(ConnectionError):
        connection.sendall(b"GET /api/v1/meta HTTP/1.1\r\nHost: localhost\r\nX: ")
        for _ in range(64):
            connection.sendall(bytes(b"x" * MIB))
        assert connection.recv(100).split()[1] in (b"400", b"431")
    assert server.get("meta").status_code == 200


def test_slow_bodies_hold_nobody_up(server):
    lines = ["POST /api/v1/replicate HTTP/1.1", "Host: localhost", "Content-Type: application/msgpack", "Content-Length: 1000000"]
    head = "\r\n".join([*lines, "", "x"]).encode()
    with ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)))
            connection.sendall(head)
        began = time.monotonic()
        assert server.replicate([Stream().item([started()])]).items[0].status is ReplyStatus.STORED
        assert time.monotonic() - began < 2
