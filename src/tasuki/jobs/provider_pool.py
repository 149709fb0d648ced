"""Open providers with their configuration, accounts, and circuit breakers."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tasuki.errors import ConfigError, NotFound, RemoteError, RemoteUnavailable
from tasuki.hpc.host import HOSTS_FILE
from tasuki.jobs.circuit_breaker import CircuitBreaker
from tasuki.jobs.providers import open_provider
from tasuki.jobs.providers.config_file import ProviderConfigFile
from tasuki.jobs.providers.protocol import Provider
from tasuki.jobs.storage.journal_access import JournalAccess
from tasuki.records import ProviderHealth
from tasuki.settings import Settings

__all__ = ["ProviderPool"]


class ProviderPool:
    """The providers of one data folder, each opened on first use."""

    def __init__(self, settings: Settings, journal: JournalAccess) -> None:
        self.settings = settings
        self.journal = journal
        self.config_file = ProviderConfigFile(settings.dir)
        self.providers: dict[str, Provider] = {}
        self.breakers: dict[str, CircuitBreaker] = {}
        self.recorded_degraded: dict[str, bool] = {}
        """By provider: whether the last recorded health is degraded."""

    async def close(self) -> None:
        """Close all providers. Their jobs continue."""
        for provider in self.providers.values():
            await provider.close()
        self.providers.clear()

    def open(self, name: str) -> Provider:
        """Return a provider, opened on first use. Raise NotFound if it does not exist or is not set up."""
        if name not in self.providers:
            self.providers[name] = open_provider(name, self.settings, self.config_file.get(name), self.journal.clock)
        return self.providers[name]

    def find_open(self, name: str) -> Provider | None:
        """Return a provider if it is open."""
        return self.providers.get(name)

    async def reset(self, name: str) -> None:
        """Close a provider whose configuration has changed; the next use opens it with the new one."""
        provider = self.providers.pop(name, None)
        self.breakers.pop(name, None)
        if provider is not None:
            await provider.close()

    def get_breaker(self, name: str) -> CircuitBreaker:
        """Return a provider's circuit breaker."""
        return self.breakers.setdefault(name, CircuitBreaker(self.journal.clock))

    @asynccontextmanager
    async def guard_call(self, provider: Provider) -> AsyncIterator[None]:
        """Run a provider call under its circuit breaker. Raise RemoteUnavailable while that is open."""
        breaker = self.get_breaker(provider.name)
        breaker.begin_call()
        try:
            yield
        except asyncio.CancelledError:
            breaker.end_call(RemoteUnavailable("no answer in time"))
            raise
        except (RemoteError, NotFound, ConfigError) as error:
            breaker.end_call(error)
            raise
        else:
            breaker.end_call(None)
        finally:
            breaker.is_probing = False
            await asyncio.shield(self.record_health(provider, breaker))

    async def record_health(self, provider: Provider, breaker: CircuitBreaker) -> None:
        """Record that a provider has become degraded, or has recovered."""
        if provider.name not in self.recorded_degraded:
            degraded = await self.journal.run_query(lambda queries: queries.degraded_providers())
            self.recorded_degraded[provider.name] = provider.name in {one.provider for one in degraded}
        if self.recorded_degraded[provider.name] is not breaker.is_degraded:
            self.recorded_degraded[provider.name] = breaker.is_degraded
            await self.journal.record(ProviderHealth(
                time=self.journal.clock.now_us(), provider=provider.name, account=provider.account or "",
                degraded=breaker.is_degraded, detail=breaker.detail if breaker.is_degraded else "",
            ))  # fmt: skip

    async def identify(self, name: str) -> Provider:
        """Return a provider with its account: the stored one for its API key, else the one it reports now."""
        provider = self.open(name)
        if provider.account is None:
            key = hashlib.sha256(str(self.get_key(name)).encode()).hexdigest()
            provider.account = await self.journal.run_in_thread(lambda: self.journal.open_journal().state_db.get_account(name, key))
            if provider.account is None:
                async with self.guard_call(provider):
                    await provider.validate()
                account = self.open(name).account or ""
                await self.journal.run_in_thread(lambda: self.journal.open_journal().state_db.store_account(name, key, account))
        return provider

    def get_key(self, name: str) -> str | None:
        """Return the API key configured for a provider."""
        token: Any = self.config_file.get(name).get("token")
        if token is None and name == "replicate":
            token = self.settings.providers.replicate.token
        return None if token is None else str(token)

    def is_configured(self, name: str) -> bool:
        """Return whether a provider has the configuration it needs."""
        if name == "hpc":
            return (self.settings.dir / HOSTS_FILE).exists()
        return name == "local" or self.get_key(name) is not None
