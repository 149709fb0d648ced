"""The relay: from one data folder to a server, and asking a server instead of a folder."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasuki.relay.probe import Probe as Probe
    from tasuki.relay.probe import remote_test as remote_test
    from tasuki.relay.remote import HttpQuery as HttpQuery
    from tasuki.relay.remote import open_query as open_query

# What asks needs httpx, numpy and apsw; what sends runs inside training processes and must not load them.
HOMES = {
    "HttpQuery": "tasuki.relay.remote",
    "Probe": "tasuki.relay.probe",
    "open_query": "tasuki.relay.remote",
    "remote_test": "tasuki.relay.probe",
}

__all__ = [*HOMES]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'tasuki.relay' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
