"""What `tasuki remote test` says of each kind of trouble, from servers that make it."""

import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import trustme

from tasuki.client.probe import ProbeResult, ProbeVerdict, probe_remote
from tasuki.errors import ConfigError

META = {"version": "9.9", "protocols": [1], "server_id": "a", "boot_id": "b"}


@contextmanager
def answering(
    status: int = 200, body: bytes = b"", kind: str = "text/html", *, tls: trustme.LeafCert | None = None, **headers: str
) -> Iterator[str]:
    """A server that always says the same; yields its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def listening(then: Callable[[socket.socket], None] = lambda _: None) -> Iterator[str]:
    """A socket that takes connections, and does something with the first bytes; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                taken.append(connection)
                then(connection)

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in taken:
                connection.close()


def probe(url: str, **options: Any) -> ProbeResult:
    return probe_remote(url, timeout_seconds=options.pop("timeout_seconds", 5), **options)


def test_a_server_of_ours_says_its_version_and_how_far_it_is():
    with answering(body=msgspec.json.encode(META), kind="application/json") as url:
        found = probe(url)
    assert (found.verdict, found.version) == (ProbeVerdict.OK, "9.9")
    assert 0 < found.seconds < 5
    assert "ms away" in found.said


@pytest.mark.parametrize(("spoken", "where"), [([2, 3], "here"), ([0], "on the server")])
def test_another_protocol_says_who_has_to_upgrade(spoken, where):
    with answering(body=msgspec.json.encode(META | {"protocols": spoken}), kind="application/json") as url:
        found = probe(url)
    assert (found.verdict, found.version) == (ProbeVerdict.OTHER_PROTOCOL, "9.9")
    assert where in found.hint


@pytest.mark.parametrize(
    ("status", "body", "kind", "verdict"),
    [
        (200, b"<!doctype html><title>Welcome</title>", "text/html", ProbeVerdict.NOT_TASUKI),
        (404, b"not here", "text/plain", ProbeVerdict.NOT_TASUKI),
        (200, b'{"name": "another thing"}', "application/json", ProbeVerdict.NOT_TASUKI),
        (200, b"[1, 2]", "application/json", ProbeVerdict.NOT_TASUKI),
        (200, b"\xff\xfe\x00", "application/octet-stream", ProbeVerdict.NOT_TASUKI),
        (502, b"<h1>Bad Gateway</h1>", "text/html", ProbeVerdict.IN_TROUBLE),
        (429, b"", "text/plain", ProbeVerdict.IN_TROUBLE),
        (401, b"", "text/plain", ProbeVerdict.UNAUTHORIZED),
        (403, b"", "text/plain", ProbeVerdict.UNAUTHORIZED),
    ],
)
def test_what_is_not_ours_is_shown(status, body, kind, verdict):
    with answering(status, body, kind) as url:
        found = probe(url)
    assert found.verdict is verdict
    assert str(status) in found.said
    assert found.hint


def test_a_redirect_says_where_to():
    with answering(308, Location="https://tasuki.example/") as url:
        found = probe(url)
    assert found.verdict is ProbeVerdict.REDIRECTED
    assert "https://tasuki.example/" in found.said


def test_nothing_that_listens_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = probe(f"http://127.0.0.1:{port}")
    assert found.verdict is ProbeVerdict.REFUSED
    assert f"--port {port}" in found.hint


def test_a_host_that_is_not_there_can_not_be_resolved():
    assert probe("http://nowhere.invalid:7700").verdict is ProbeVerdict.UNRESOLVED


def test_a_server_that_says_nothing_is_slow():
    with listening() as url:
        found = probe(url, timeout_seconds=0.2)
    assert found.verdict is ProbeVerdict.SLOW
    assert "0.2 s" in found.said


def test_a_server_that_hangs_up_is_broken():
    with listening(lambda connection: connection.close()) as url:
        assert probe(url).verdict in (ProbeVerdict.BROKEN, ProbeVerdict.REFUSED)


def test_a_server_of_another_kind_is_broken():
    def greet(connection: socket.socket) -> None:
        connection.sendall(b"-ERR what was that?\r\n\r\n")

    with listening(greet) as url:
        assert probe(url).verdict is ProbeVerdict.BROKEN


def test_plain_http_behind_https_is_tls_trouble():
    with answering(body=b"x") as url:
        found = probe(url.replace("http:", "https:"))
    assert found.verdict is ProbeVerdict.TLS
    assert "http://" in found.hint


@pytest.mark.parametrize(
    ("trusted", "name", "verdict"),
    [(True, "127.0.0.1", ProbeVerdict.OK), (True, "other.example", ProbeVerdict.TLS), (False, "127.0.0.1", ProbeVerdict.TLS)],
)
def test_a_certificate_has_to_be_of_that_name_and_of_somebody_known(trusted, name, verdict):
    authority = trustme.CA()
    client = ssl.create_default_context()
    if trusted:
        authority.configure_trust(client)
    with answering(body=msgspec.json.encode(META), kind="application/json", tls=authority.issue_cert(name)) as url:
        found = probe(url, verify=client)
    assert found.verdict is verdict


@pytest.mark.parametrize("url", ["", "127.0.0.1:7700", "ftp://x", "http://", "http://x:99999", "http://[::1"])
def test_what_is_no_address_is_said(url):
    with pytest.raises(ConfigError):
        probe_remote(url)
