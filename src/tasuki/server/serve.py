"""`tasuki serve`: run the server on a socket until SIGTERM or SIGINT."""

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
    """uvicorn server that ends event streams on a signal and returns instead of raising the signal again."""

    def __init__(self, config: uvicorn.Config, components: Components) -> None:
        super().__init__(config)
        self.components = components

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop the server on SIGTERM or SIGINT; a second signal stops it immediately."""
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
        """End event streams now, and give running requests one second."""
        self.components.release_waiters()
        self.handle_exit(number, None)


def serve(
    settings: Settings, host: str = "127.0.0.1", port: int = DEFAULT_PORT, *, print_line: Callable[[str], object] | None = None
) -> None:
    """Serve a data folder until SIGTERM or SIGINT.

    `port` 0 takes any free port. `print_line` receives the startup line (default: write it to stderr).
    Raise ConfigError if the address is in use, or if other machines can reach it and no token exists.
    """
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
    """Open a listening socket.

    Raise ConfigError if the address is in use or does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"{host}:{port} can't be listened on: {error}", hint="--port 0 takes any free one") from error
    # asyncio sets TCP_NODELAY only on sockets that it opens; without it a response in two writes waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def print_to_stderr(line: str) -> None:
    """Write a line to stderr and flush."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
