"""A web server to which messages are posted: it keeps them, and answers as the test says."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import msgspec

__all__ = ["Received", "Receiver"]


class Received(NamedTuple):
    """One message, and what was answered."""

    status: int
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class Receiver:
    """A `with` block runs it. Each request is answered with the next of `answers`, 204 when there are no more."""

    def __init__(self) -> None:
        receiver = self

        class Page(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.asked += 1
                receiver.gate.wait(30)
                status, headers = receiver.answers.pop(0) if receiver.answers else (204, {})
                receiver.messages.append(Received(status, self.path, dict(self.headers), body))
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.answers: list[tuple[int, dict[str, str]]] = []
        self.messages: list[Received] = []
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/s3cr3t-key"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> "Receiver":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def taken(self) -> list[dict[str, Any]]:
        """The messages that were answered with a success."""
        return [message.body for message in self.messages if message.status < 300]

    def titles(self) -> list[str]:
        """The titles of the alerts among them."""
        return [body["alert"]["title"] for body in self.taken if "alert" in body]

    def hang(self) -> None:
        """Answer nothing from now on, until `gate` is set."""
        self.gate.clear()
