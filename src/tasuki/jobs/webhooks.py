"""Webhooks: news that a provider sends, signed as Standard Webhooks has it (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import msgspec

from tasuki.clock import SYSTEM, Clock
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
    """A message that its provider has not signed, or not now."""


class UnreadableMessage(RemoteError):
    """Signed, and no job."""


class WebhookHeaders(NamedTuple):
    """What the headers of a message say."""

    id: str
    timestamp: str
    signatures: list[bytes]


class Webhooks:
    """Takes messages."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.asked_at = -REFRESH_SECONDS

    async def take(self, name: str, headers: Mapping[str, str], body: bytes) -> None:
        """One message; again it changes nothing. Forged for one that is not the provider's, RemoteUnavailable where its key can't
        be had, NotFound for a provider that sends none, UnreadableMessage for what is no job.
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
        """Record what a message says, if it is of a job that is known (or was deleted)."""
        name = sight.observation.external_id or ""
        account = provider.account or ""
        known = await self.context.ask(lambda queries: queries.known(provider.name, account, [name]))
        if name in known:
            await self.context.recorder.record_jobs(provider, [sight], "webhook")
        return name in known

    async def unpark(self, name: str) -> None:
        """Take what was parked of jobs that are known by now."""
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
        """Where ids of webhooks are kept. In the thread."""
        return self.context.open_journal().register

    def drop(self, name: str, external_id: str) -> None:
        """What was parked of a job has been taken. In the thread."""
        self.register.unpark(name, external_id)

    async def verify(self, provider: Provider, signing: WebhookProvider, stated: WebhookHeaders, body: bytes) -> None:
        """Forged, unless one of the signatures is right by a key of now; a key that was changed is asked for."""
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
        """Ask for the keys that a message may be signed with."""
        async with self.context.providers.guard_call(provider):
            return await signing.webhook_keys()


def parse_headers(headers: Mapping[str, str], clock: Clock = SYSTEM) -> WebhookHeaders:
    """The headers of a message of now. Forged for one that is too old, of the future, or without what it should have."""
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
    """One of the signatures, `v1,<base64>`; None for what is none, or of another kind."""
    version, _, encoded = text.partition(",")
    if version != "v1" or not encoded.isascii():
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None


def is_signed(content: bytes, signatures: Iterable[bytes], keys: Iterable[bytes]) -> bool:
    """Whether one signature is right by one key; how long that takes says nothing of which."""
    digests = [hmac.digest(key, content, hashlib.sha256) for key in keys]
    return any([hmac.compare_digest(digest, found) for digest in digests for found in signatures])


def signature(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    """A message's signature, as its header has it."""
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def parse_body(signing: WebhookProvider, body: bytes) -> ProviderJob:
    """What a message says: it is the provider's own object."""
    try:
        return signing.sight(msgspec.json.decode(body, type=dict[str, Any]))
    except (ValueError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableMessage(f"the message can't be read: {error}") from error
