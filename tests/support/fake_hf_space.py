"""Hugging Face over loopback: a hub that knows one Space, and that Space, behind the address that it would have.

trackio's released versions take the hub's address from HF_ENDPOINT; a Space's is always https://<user>-<space>.hf.space, to which a
proxy leads that answers for it, with a certificate of a test authority.
"""

import http.client
import json
import os
import socket
import ssl
import subprocess
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import trustme

from tests.support.peer_trackers import peer_python
from tests.support.processes import ROOT, eventually
from tests.support.remote_server import HOST, Accepting, Pages, free_port, passed_on

__all__ = ["TrackioSpace"]

SPACE = "user/space"
TOKEN = "hf_test"


class Hub(Pages):
    """Says of one Space that it is there, and that it runs."""

    def __init__(self) -> None:
        hub = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.asked[self.path.partition("?")[0]] += 1
                there = self.path.startswith(f"/api/spaces/{SPACE}")
                said = {"id": SPACE, "sdk": "gradio", "siblings": [], "tags": [], "private": False, "likes": 0}
                body = json.dumps(said | {"runtime": {"stage": "RUNNING", "hardware": {}}} if there else {}).encode()
                self.send_response(200 if there else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.asked: Counter[str] = Counter()
        super().__init__(Page)


class Proxy(Accepting):
    """Takes every CONNECT for one for the Space: answers with its certificate, and passes what follows on to its server."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        super().__init__()
        self.server_port = port
        self.tls = tls

    def converse(self, connection: socket.socket) -> None:
        with suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with self.tls.wrap_socket(connection, server_side=True) as client:
                server = socket.create_connection((HOST, self.server_port))
                back = threading.Thread(target=passed_on, args=(server, client, bool))
                back.start()
                passed_on(client, server, bool)
                back.join()
                server.close()


class TrackioSpace:
    """trackio's own server, as a Space runs it, in `folder`; `variables` lead a process to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "space"
        self.ca = folder / "ca.pem"
        self.port = free_port()
        self.hub = Hub()
        self.stack = ExitStack()

    def __enter__(self) -> "TrackioSpace":
        self.folder.mkdir(parents=True)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("user-space.hf.space").configure_cert(tls)
        variables = os.environ | {"TRACKIO_DIR": str(self.folder), "SYSTEM": "spaces", "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "1"}
        command = [str(peer_python("trackio")), "-m", "benchmarks.children.trackio_server", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.stack.callback(self.process.wait)
        self.stack.callback(self.process.kill)
        eventually(self.answers)
        self.stack.enter_context(self.hub)
        self.proxy = self.stack.enter_context(Proxy(self.port, tls))
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def answers(self) -> bool:
        """Whether its server is there."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/version")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    @property
    def variables(self) -> dict[str, str]:
        """What leads trackio to it."""
        return {
            "HF_ENDPOINT": self.hub.url,
            "HF_TOKEN": TOKEN,
            "HTTPS_PROXY": f"http://{HOST}:{self.proxy.port}",
            "NO_PROXY": HOST,
            "SSL_CERT_FILE": str(self.ca),
        }
