"""Webhooks: messages of providers, signed as in Standard Webhooks (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import msgspec

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import NotFound, RemoteError
from tasuki.jobs.context import JobContext
from tasuki.jobs.providers.protocol import Provider, ProviderJob, WebhookProvider
from tasuki.jobs.storage.state_db import JobStateDb, ParkedWebhook

__all__ = ["InvalidSignature", "UnreadableMessage", "Webhooks", "compute_signature"]

TOLERANCE_SECONDS = 300
KEY_REFRESH_SECONDS = 1.0
TIMESTAMP_PATTERN = re.compile(r"[0-9]{1,12}")
MAX_ID_CHARACTERS = 256
MAX_SIGNATURES = 10


class InvalidSignature(Exception):
    """A message that its provider did not sign, or not recently."""


class UnreadableMessage(RemoteError):
    """A signed message that holds no job."""


class WebhookHeaders(NamedTuple):
    """The headers of a message."""

    id: str
    timestamp: str
    signatures: list[bytes]


class Webhooks:
    """Processes webhooks."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.keys_refreshed_at = -KEY_REFRESH_SECONDS

    async def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> None:
        """Process one message; a repeated one changes nothing.

        Raise InvalidSignature if it is not the provider's, RemoteUnavailable if the signing key cannot be fetched, NotFound for a
        provider without webhooks, UnreadableMessage if it holds no job.
        """
        provider = self.context.providers.open(name)
        if not isinstance(provider, WebhookProvider):
            raise NotFound(f"{provider.title} sends no webhooks")
        stated = parse_headers(headers, self.context.clock)
        await self.verify(provider, provider, stated, body)
        if await self.context.run_in_thread(lambda: self.state_db.is_webhook_known(name, stated.id)):
            return
        sight = parse_message(provider, body)
        await self.context.providers.identify(name)
        if not await self.record_if_known(provider, sight):
            parked = ParkedWebhook(stated.id, self.context.clock.now_us(), body)
            external_id = sight.observation.external_id or ""
            await self.context.run_in_thread(lambda: self.state_db.park_webhook(name, external_id, parked))
            await self.unpark(name)  # it may have come to be known in this moment
        now = self.context.clock.now_us()
        await self.context.run_in_thread(lambda: self.state_db.record_webhook(name, stated.id, now))

    async def record_if_known(self, provider: Provider, provider_job: ProviderJob) -> bool:
        """Record a message's state if its job is known (or was deleted); return whether it is."""
        name = provider_job.observation.external_id or ""
        account = provider.account or ""
        known = await self.context.run_query(lambda queries: queries.jobs_by_external_id(provider.name, account, [name]))
        if name in known:
            await self.context.recorder.record_jobs(provider, [provider_job], "webhook")
        return name in known

    async def unpark(self, name: str) -> None:
        """Process parked webhooks of jobs that are known now."""
        parked = await self.context.run_in_thread(lambda: self.state_db.list_parked(name))
        if not parked:
            return
        provider = await self.context.providers.identify(name)
        for external_id, messages in parked.items():
            sights = [parse_message(cast(WebhookProvider, provider), message.body) for message in messages]
            taken = [await self.record_if_known(provider, sight) for sight in sights]
            if all(taken):
                await self.context.run_in_thread(self.delete_parked, name, external_id)

    @property
    def state_db(self) -> JobStateDb:
        """Return the store of webhook ids. Call it in the journal's thread."""
        return self.context.open_journal().state_db

    def delete_parked(self, name: str, external_id: str) -> None:
        """Remove a job's parked webhooks. Call it in the journal's thread."""
        self.state_db.delete_parked(name, external_id)

    async def verify(
        self, provider: Provider, webhook_provider: WebhookProvider, webhook_headers: WebhookHeaders, body: bytes
    ) -> None:
        """Raise InvalidSignature unless a signature matches a current key; refetch a rotated key."""
        content = webhook_headers.id.encode() + b"." + webhook_headers.timestamp.encode() + b"." + body
        if is_signed(
            content, webhook_headers.signatures, webhook_provider.keys or await self.fetch_keys(provider, webhook_provider)
        ):
            return
        now = self.context.clock.monotonic()
        if now - self.keys_refreshed_at >= KEY_REFRESH_SECONDS:
            self.keys_refreshed_at = now
            if is_signed(content, webhook_headers.signatures, await self.fetch_keys(provider, webhook_provider)):
                return
        raise InvalidSignature("the signature is not right")

    async def fetch_keys(self, provider: Provider, webhook_provider: WebhookProvider) -> list[bytes]:
        """Fetch the signing keys."""
        async with self.context.providers.guard_call(provider):
            return await webhook_provider.fetch_webhook_keys()


def parse_headers(headers: Mapping[str, str], clock: Clock = SYSTEM_CLOCK) -> WebhookHeaders:
    """Parse a message's headers. Raise InvalidSignature if they are incomplete, too old, or in the future."""
    id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    texts = headers.get("webhook-signature", "").split()
    if not 0 < len(id) <= MAX_ID_CHARACTERS or not id.isascii() or not id.isprintable():
        raise InvalidSignature("webhook-id is missing, or is none")
    if not TIMESTAMP_PATTERN.fullmatch(timestamp):
        raise InvalidSignature("webhook-timestamp is missing, or is no number of seconds")
    if abs(clock.now_us() / 1_000_000 - int(timestamp)) > TOLERANCE_SECONDS:
        raise InvalidSignature(f"it was sent more than {TOLERANCE_SECONDS} s ago, or will be")
    signatures = [found for text in texts[:MAX_SIGNATURES] if (found := parse_signature(text)) is not None]
    if not signatures:
        raise InvalidSignature("webhook-signature is missing, or is none")
    return WebhookHeaders(id, timestamp, signatures)


def parse_signature(text: str) -> bytes | None:
    """Parse one signature, `v1,<base64>`; None if invalid or of another version."""
    version, _, encoded = text.partition(",")
    if version != "v1" or not encoded.isascii():
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None


def is_signed(content: bytes, signatures: Iterable[bytes], keys: Iterable[bytes]) -> bool:
    """Return whether one signature matches one key, in constant time."""
    digests = [hmac.digest(key, content, hashlib.sha256) for key in keys]
    return any([hmac.compare_digest(digest, found) for digest in digests for found in signatures])


def compute_signature(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    """Compute a message's signature, as its header has it."""
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def parse_message(webhook_provider: WebhookProvider, body: bytes) -> ProviderJob:
    """Parse a message: the provider's own object."""
    try:
        return webhook_provider.parse_webhook(msgspec.json.decode(body, type=dict[str, Any]))
    except (ValueError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableMessage(f"the message can't be read: {error}") from error
