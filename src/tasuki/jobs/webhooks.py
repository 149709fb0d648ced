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

__all__ = ["InvalidSignature", "UnreadableMessage", "Webhooks", "signature"]

TOLERANCE_SECONDS = 300
REFRESH_SECONDS = 1.0
DIGITS = re.compile(r"[0-9]{1,12}")
LONGEST_ID = 256
MOST_SIGNATURES = 10


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
        self.asked_at = -REFRESH_SECONDS

    async def take(self, name: str, headers: Mapping[str, str], body: bytes) -> None:
        """Process one message; a repeated one changes nothing.

        Raise InvalidSignature if it is not the provider's, RemoteUnavailable if the signing key cannot be fetched, NotFound for a
        provider without webhooks, UnreadableMessage if it holds no job.
        """
        provider = self.context.providers.open(name)
        if not hasattr(provider, "webhook_keys"):
            raise NotFound(f"{provider.title} sends no webhooks")
        signing = cast(WebhookProvider, provider)
        stated = parse_headers(headers, self.context.clock)
        await self.verify(provider, signing, stated, body)
        if await self.context.run_in_thread(lambda: self.register.is_known(name, stated.id)):
            return
        sight = parse_body(signing, body)
        await self.context.providers.identify(name)
        if not await self.is_taken(provider, sight):
            parked = ParkedWebhook(stated.id, self.context.clock.now_us(), body)
            external_id = sight.observation.external_id or ""
            await self.context.run_in_thread(lambda: self.register.park(name, external_id, parked))
            await self.unpark(name)  # it may have come to be known in this moment
        now = self.context.clock.now_us()
        await self.context.run_in_thread(lambda: self.register.note(name, stated.id, now))

    async def is_taken(self, provider: Provider, sight: ProviderJob) -> bool:
        """Record a message's state if its job is known (or was deleted); return whether it is."""
        name = sight.observation.external_id or ""
        account = provider.account or ""
        known = await self.context.ask(lambda queries: queries.jobs_by_external_id(provider.name, account, [name]))
        if name in known:
            await self.context.recorder.record_jobs(provider, [sight], "webhook")
        return name in known

    async def unpark(self, name: str) -> None:
        """Process parked webhooks of jobs that are known now."""
        parked = await self.context.run_in_thread(lambda: self.register.parked(name))
        if not parked:
            return
        provider = await self.context.providers.identify(name)
        for external_id, messages in parked.items():
            sights = [parse_body(cast(WebhookProvider, provider), message.body) for message in messages]
            taken = [await self.is_taken(provider, sight) for sight in sights]
            if all(taken):
                await self.context.run_in_thread(self.drop, name, external_id)

    @property
    def register(self) -> JobStateDb:
        """Return the store of webhook ids. Call it in the journal's thread."""
        return self.context.open_journal().register

    def drop(self, name: str, external_id: str) -> None:
        """Remove a job's parked webhooks. Call it in the journal's thread."""
        self.register.unpark(name, external_id)

    async def verify(self, provider: Provider, signing: WebhookProvider, stated: WebhookHeaders, body: bytes) -> None:
        """Raise InvalidSignature unless a signature matches a current key; refetch a rotated key."""
        content = stated.id.encode() + b"." + stated.timestamp.encode() + b"." + body
        if is_signed(content, stated.signatures, signing.keys or await self.keys(provider, signing)):
            return
        now = self.context.clock.monotonic()
        if now - self.asked_at >= REFRESH_SECONDS:
            self.asked_at = now
            if is_signed(content, stated.signatures, await self.keys(provider, signing)):
                return
        raise InvalidSignature("the signature is not right")

    async def keys(self, provider: Provider, signing: WebhookProvider) -> list[bytes]:
        """Fetch the signing keys."""
        async with self.context.providers.guard_call(provider):
            return await signing.webhook_keys()


def parse_headers(headers: Mapping[str, str], clock: Clock = SYSTEM_CLOCK) -> WebhookHeaders:
    """Parse a message's headers. Raise InvalidSignature if they are incomplete, too old, or in the future."""
    id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    texts = headers.get("webhook-signature", "").split()
    if not 0 < len(id) <= LONGEST_ID or not id.isascii() or not id.isprintable():
        raise InvalidSignature("webhook-id is missing, or is none")
    if not DIGITS.fullmatch(timestamp):
        raise InvalidSignature("webhook-timestamp is missing, or is no number of seconds")
    if abs(clock.now_us() / 1_000_000 - int(timestamp)) > TOLERANCE_SECONDS:
        raise InvalidSignature(f"it was sent more than {TOLERANCE_SECONDS} s ago, or will be")
    signatures = [found for text in texts[:MOST_SIGNATURES] if (found := parse_signature(text)) is not None]
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


def signature(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    """Compute a message's signature, as its header has it."""
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def parse_body(signing: WebhookProvider, body: bytes) -> ProviderJob:
    """Parse a message: the provider's own object."""
    try:
        return signing.sight(msgspec.json.decode(body, type=dict[str, Any]))
    except (ValueError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableMessage(f"the message can't be read: {error}") from error
