"""A page of text for Prometheus, by the standard library: eight figures need no client of their own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["serving"]

HERE = "127.0.0.1"
LAST_PORT = 65_535
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@contextmanager
def serving(port: int | None, figures: Callable[[], str], host: str = "0.0.0.0") -> Iterator[str | None]:
    """Serve the figures at `/metrics` for the block; yields the address, None without a port. OSError if it is taken."""
    if port is None:
        yield None
        return

    class Page(BaseHTTPRequestHandler):
        """Says the same to every question."""

        def do_GET(self) -> None:
            """The figures."""
            body = figures().encode()
            self.send_response(200)
            self.send_header("Content-Type", TEXT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody wants to know."""

    with ThreadingHTTPServer((host, int(port)), Page) as server:
        thread = threading.Thread(target=server.serve_forever, name="tasuki-figures", daemon=True)
        thread.start()
        yield f"http://{host}:{server.server_port}/metrics"
        server.shutdown()
        thread.join()
