"""`tasuki serve`: the server on a socket, until it is told to stop."""

import asyncio
import ipaddress
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from tasuki.errors import ConfigError
from tasuki.server.app import create_app
from tasuki.server.components import Components
from tasuki.settings import Settings

__all__ = ["DEFAULT_PORT", "serve"]

DEFAULT_PORT = 7700
SHUTDOWN_TIMEOUT_SECONDS = 1
BACKLOG = 512
log = logging.getLogger("tasuki.server")


class UvicornServer(uvicorn.Server):
    """uvicorn's server; a signal ends event streams first, and does not kill the process afterwards."""

    def __init__(self, config: uvicorn.Config, components: Components) -> None:
        super().__init__(config)
        self.components = components

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop the server; a second one stops it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def stop(self, number: int) -> None:
        """Stop soon: streams end now, requests under way have a second."""
        self.components.release_waiters()
        self.handle_exit(number, None)


def serve(
    settings: Settings, host: str = "127.0.0.1", port: int = DEFAULT_PORT, *, print_line: Callable[[str], object] | None = None
) -> None:
    """Serve until SIGTERM or SIGINT. Raise ConfigError if the address is taken, or requires tokens."""
    configure_job_logging()
    parts = Components(settings, loopback=is_loopback(host))
    if not parts.authenticator.loopback and not parts.tokens.has_any():
        raise ConfigError(
            f"{host!r} can be reached from other machines: tokens come first",
            hint="tasuki token create --write; or leave --host out, or use an SSH tunnel",
        )
    with open_listener(host, port) as listener:
        bound = listener.getsockname()[1]
        config = uvicorn.Config(
            create_app(parts, host),
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
        )
        address = f"http://{f'[{host}]' if ':' in host else host}:{bound}/"
        parts.deliveries.link = settings.public_url or address
        (print_line or print_to_stderr)(f"tasuki serves {settings.dir} at {address} (Ctrl-C stops it)")
        UvicornServer(config, parts).run(sockets=[listener])


def configure_job_logging() -> None:
    """Log background job activity to stderr, unless the host program has configured logging."""
    told = logging.getLogger("tasuki.jobs")
    if not told.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        told.addHandler(handler)
        told.setLevel(logging.INFO)


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens. ConfigError for an address that is taken, or is none of this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"{host}:{port} can't be listened on: {error}", hint="--port 0 takes any free one") from error
    # asyncio does this for sockets that it makes itself; without it an answer in two writes waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def is_loopback(host: str) -> bool:
    """Return whether an address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def print_to_stderr(line: str) -> None:
    """To the person at the terminal."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
