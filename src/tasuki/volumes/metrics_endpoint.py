"""Serve metrics for Prometheus with the standard library: eight values need no client library."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tasuki.errors import ConfigError

__all__ = ["serve_metrics"]

DEFAULT_HOST = "127.0.0.1"
MAX_PORT = 65_535
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@contextmanager
def serve_metrics(address: str | None, format_metrics: Callable[[], str]) -> Iterator[str | None]:
    """Serve the metrics at `[HOST:]PORT` for the block; yield the address, None without one.

    ConfigError for what is no place, OSError if the port is taken.
    """
    if address is None:
        yield None
        return
    host, _, port = address.rpartition(":")
    if not port.isdigit() or int(port) > MAX_PORT:
        raise ConfigError(f"{address!r} is no place to serve figures at", hint="a port, like 9100, or 0.0.0.0:9100")

    class MetricsHandler(BaseHTTPRequestHandler):
        """Answers every request with the same page."""

        def do_GET(self) -> None:
            """Send the metrics."""
            body = format_metrics().encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer((host or DEFAULT_HOST, int(port)), MetricsHandler) as server:
        thread = threading.Thread(target=server.serve_forever, name="tasuki-figures", daemon=True)
        thread.start()
        try:
            yield f"http://{host or DEFAULT_HOST}:{server.server_port}/metrics"
        finally:
            server.shutdown()
            thread.join()
