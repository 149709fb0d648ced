"""HPC hosts behind SSH: transports, schedulers, and the agent that works while nobody is logged in."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasuki.jobs.queue.script_api import SyncConfig as SyncConfig
    from tasuki.jobs.queue.script_api import submit as submit
    from tasuki.jobs.queue.script_api import sync as sync

SCRIPT_API_MODULE = "tasuki.jobs.queue.script_api"
"""Where the names that scripts use live: above this room, so they are looked up when first used, as the facade does."""

__all__ = ["SyncConfig", "submit", "sync"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tasuki.hpc' has no attribute {name!r}")
    return getattr(import_module(SCRIPT_API_MODULE), name)
