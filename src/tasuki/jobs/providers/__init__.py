"""Providers: a module each, and the table of them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tasuki.clock import Clock
from tasuki.errors import NotFound
from tasuki.jobs.providers.hpc import HpcProvider
from tasuki.jobs.providers.local import LocalProvider
from tasuki.jobs.providers.protocol import Provider
from tasuki.jobs.providers.replicate import ReplicateProvider
from tasuki.settings import Settings

__all__ = ["PROVIDERS", "open_provider"]

ProviderFactory = Callable[[Settings, Mapping[str, Any], Clock], Provider]


def open_replicate(settings: Settings, overrides: Mapping[str, Any], clock: Clock) -> Provider:
    """Open Replicate with the settings and what was configured over HTTP."""
    return ReplicateProvider(msgspec.structs.replace(settings.providers.replicate, **overrides), clock=clock)


PROVIDERS: dict[str, ProviderFactory] = {
    "hpc": lambda settings, _, clock: HpcProvider(settings, clock=clock),
    "local": lambda settings, _, clock: LocalProvider(settings.dir, settings.providers.local, clock=clock),
    "replicate": open_replicate,
}


def open_provider(name: str, settings: Settings, overrides: Mapping[str, Any], clock: Clock) -> Provider:
    """Open a provider by name. Raise NotFound for an unknown one."""
    if name not in PROVIDERS:
        raise NotFound(f"there is no provider {name!r}", hint=f"there are {', '.join(PROVIDERS)}")
    return PROVIDERS[name](settings, overrides, clock)
