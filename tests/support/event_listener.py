"""Listening to a real server's events."""

import http.client
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.servers import Server

__all__ = ["Listener", "Message"]


class Message(NamedTuple):
    id: str | None
    name: str | None
    data: dict[str, Any]


class Listener:
    """An EventSource, in a few lines."""

    def __init__(self, server: Server, last: str | None = None, path: str = "/api/events", *, timeout: float = 20) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
        self.connection.request("GET", path, headers={} if last is None else {"Last-Event-ID": last})
        self.answer = self.connection.getresponse()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self.connection.close()

    def __iter__(self) -> Iterator[Message]:
        fields: dict[str, str] = {}
        for line in self.answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif fields:
                yield Message(fields.get("id"), fields.get("event"), json.loads(fields["data"]))
                fields = {}

    def take(self, n: int) -> list[Message]:
        messages = iter(self)
        return [next(messages) for _ in range(n)]
