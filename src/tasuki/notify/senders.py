"""Send one message to one target: HTTP for webhooks, apprise for other services."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from tasuki import __version__
from tasuki.alert_targets import AlertTarget
from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError, RemoteMisconfigured, RemoteUnavailable
from tasuki.notify.message import Message
from tasuki.records import AlertLevel
from tasuki.relay.http_responses import HttpResponse, build_remote_error

if TYPE_CHECKING:
    import httpx

__all__ = ["SendMessage", "build_sender"]

SendMessage = Callable[[Message], None]
"""Send a message. Raise RemoteUnavailable (retry later), RequestRejected (drop it), or RemoteMisconfigured (pause)."""

TIMEOUT_SECONDS = 10.0
MAX_SHOWN_BYTES = 200
APPRISE_TYPES = {AlertLevel.INFO: "info", AlertLevel.WARN: "warning", AlertLevel.ERROR: "failure"}
logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs addresses


def build_sender(target: AlertTarget) -> SendMessage:
    """Return the sender for a target. Raise ConfigError for an address that none supports."""
    return WebhookSender(target) if target.is_webhook else AppriseSender(target)


class WebhookSender:
    """Posts the message's body as JSON. Any 2xx status is a success."""

    def __init__(self, target: AlertTarget) -> None:
        import httpx  # a sixth of a server's start: only where something is to be delivered

        self.target = target
        self.request_errors = (httpx.HTTPError, httpx.InvalidURL)
        headers = {"User-Agent": f"tasuki/{__version__}"}
        self.client = httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS)

    def __call__(self, message: Message) -> None:
        """Send the message; read no more of the response than an error shows."""
        try:
            with self.client.stream("POST", self.target.url, json=message.body, headers={"Idempotency-Key": message.id}) as answer:
                if not answer.is_success:
                    self.raise_error(answer)
        except self.request_errors as error:
            said = self.target.redact(str(error)) or type(error).__name__
            raise RemoteUnavailable(f"{self.target.name} can't be reached: {said}") from None

    def raise_error(self, response: "httpx.Response") -> None:
        """Raise the error that a response stands for."""
        content = next(response.iter_bytes(MAX_SHOWN_BYTES), b"")
        said = self.target.redact(content.decode(errors="replace")).encode()
        found = build_remote_error(
            self.target.name, HttpResponse(response.status_code, said, response.headers.get("Retry-After")), SYSTEM_CLOCK.now_us()
        )
        found.hint = "is its address right? tasuki notify test" if isinstance(found, RemoteMisconfigured) else None
        raise found


class AppriseSender:
    """Hands the message to apprise, which selects a service by the address's scheme."""

    def __init__(self, target: AlertTarget) -> None:
        self.target = target
        try:
            import apprise
        except ImportError as error:
            raise ConfigError(f"{target.name} needs an extra", hint="pip install 'tasuki[notify]'") from error
        self.log = logging.getLogger("apprise")
        self.log.propagate = False  # what it says may name keys
        self.service = apprise.Apprise()
        if not self.service.add(target.url):
            raise ConfigError(f"apprise can do nothing with {target.name}", hint="github.com/caronc/apprise lists what it knows")

    def __call__(self, message: Message) -> None:
        """Send the message. apprise's log is the only source of its errors."""
        said = LastLogLine()
        self.log.addHandler(said)
        try:
            sent = self.service.notify(title=message.title, body=message.text, notify_type=APPRISE_TYPES[message.level])
        finally:
            self.log.removeHandler(said)
        if not sent:
            why = self.target.redact(said.last_message or "it does not say why")
            raise RemoteUnavailable(f"{self.target.name} did not take it: {why}")


class LastLogLine(logging.Handler):
    """The last log line of this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread = threading.get_ident()
        self.last_message = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        if record.thread == self.thread:
            self.last_message = record.getMessage()
