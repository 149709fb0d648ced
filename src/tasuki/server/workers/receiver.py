"""`POST /api/v1/replicate`: streams come in, positions go out."""

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec

from tasuki.errors import ConfigError
from tasuki.journal import project_name, run_id
from tasuki.records import MAX_ITEM_BYTES, START, Control, Item, Replicate, Replicated, Reply, ReplyStatus
from tasuki.server.auth.guards import needs
from tasuki.server.auth.tokens import Principal, Scope
from tasuki.server.http.body_limits import MAX_BODY_BYTES, MAX_JSON_BYTES, PACE_MS, Bodies, Pace
from tasuki.server.http.problems import Problem, Refusal
from tasuki.server.workers.group_commit import Committer
from tasuki.server.workers.run_ownership import Authority
from tasuki.server.workers.stop_requests import Mailbox

__all__ = ["Receiver", "of_run", "replicate"]

WRITER = re.compile(r"[0-9a-f]{32}")
LARGEST_OFFSET = 2**62
MSGPACK = "application/msgpack"
JSON = "application/json"
SMALL_BYTES = 256 * 1024


class Receiver:
    """What `replicate` needs of the server."""

    def __init__(self, committer: Committer, authority: Authority, raw_path: Path, boot_id: str, mailbox: Mailbox) -> None:
        self.committer = committer
        self.authority = authority
        self.raw_path = raw_path
        self.boot_id = boot_id
        self.bodies = Bodies()
        self.pace = Pace()
        self.mailbox = mailbox

    async def answer(self, request: Replicate, principal: Principal) -> Replicated:
        """Store the items; without any, wait for a word about what is listened for."""
        if not request.items:
            return Replicated(items=[], boot_id=self.boot_id, control=await self.words(request, principal))
        objections = await self.authority.objections(principal, request.items)
        refusals = [refusal(item, objection) for item, objection in zip(request.items, objections, strict=True)]
        sound = [item for item, refused in zip(request.items, refusals, strict=True) if refused is None]
        replies = iter(await self.committer.append(sound) if sound else [])
        answers = [refused or next(replies) for refused in refusals]
        words = self.mailbox.about({(item.project, item.run) for item in sound})
        return Replicated(items=answers, boot_id=self.boot_id, control=words)

    async def words(self, request: Replicate, principal: Principal) -> list[Control]:
        """What is wanted of the attempts that are listened for: said to those alone who may send to the run."""
        attempts = {(one.project, one.run, one.attempt) for one in request.listening}
        found = await self.mailbox.wait(attempts, request.wait_s)
        permitted = await self.authority.permitted(principal, [of_run(project, run) for project, run, _ in found])
        return [word for word, may_hear in zip(found.values(), permitted, strict=True) if may_hear]


@post("/api/v1/replicate", status_code=200, summary="Store pieces of streams", opt=needs(Scope.LOG), responses={
    200: ResponseSpec(Replicated, description="A reply per item"),
    400: ResponseSpec(Problem, description="Not a request", media_type="application/problem+json"),
    413: ResponseSpec(Problem, description="Too large", media_type="application/problem+json"),
    429: ResponseSpec(Problem, description="Wait for Retry-After", media_type="application/problem+json"),
})  # fmt: skip
async def replicate(request: Request[Any, Any, Any], receiver: Receiver) -> Response[bytes]:
    """Compare and append: an item is stored only where the server's position equals its own; what is `stored` is on the disk."""
    kind, _ = request.content_type
    binary = kind in (MSGPACK, "application/x-msgpack")
    principal: Principal = request.auth
    receiver.pace.check(principal.name)
    async with receiver.bodies.read(request, MAX_BODY_BYTES if binary else MAX_JSON_BYTES) as body:
        after_ms = receiver.pace.spend(principal.name, len(body)) if principal.token else PACE_MS
        asked = await parsed(body, binary=binary)
        answer = await receiver.answer(asked, principal)
    answer = msgspec.structs.replace(answer, next_after_ms=after_ms if asked.items else 0)
    accepted = request.headers.get("accept", "")
    if MSGPACK in accepted or (binary and JSON not in accepted):
        return Response(msgspec.msgpack.encode(answer), media_type=MSGPACK)
    return Response(msgspec.json.encode(answer), media_type=JSON)


async def parsed(body: bytes, *, binary: bool) -> Replicate:
    """The request in a body; a large one is read beside the event loop. Refusal (400) for what is none."""
    decode = decode_msgpack if binary else decode_json
    try:
        return decode(body) if len(body) < SMALL_BYTES else await asyncio.to_thread(decode, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        status = 413 if "length <=" in str(error) else 400
        raise Refusal(status, f"not a replicate request: {error}", hint="docs/api.md, Sending") from error


decode_msgpack = msgspec.msgpack.Decoder(Replicate).decode
decode_json = msgspec.json.Decoder(Replicate).decode


def of_run(project: str, run: str) -> Item:
    """An item that tells nothing of a run."""
    return Item(project=project, run=run, writer="0" * 32, offset=START.offset, crc=START.crc)


def flaw(item: Item) -> str | None:
    """What no sender of ours would send, so that a name or a number from outside can't become a path or an overflow."""
    if not WRITER.fullmatch(item.writer):
        return "a writer's id is 32 hex digits"
    if not 0 <= item.offset <= LARGEST_OFFSET or not 0 <= item.crc < 2**32:
        return "there is no such position"
    if item.data is not None and len(item.data) > MAX_ITEM_BYTES + SMALL_BYTES:
        return f"an item has {len(item.data)} bytes; {MAX_ITEM_BYTES + SMALL_BYTES} are the most"
    try:
        if project_name(item.project) != item.project:
            return "the project's name is not in its normal form (NFC, no spaces around it)"
        if item.run:
            run_id(item.run)
    except ConfigError as error:
        return error.message
    return None


def refusal(item: Item, objection: str | None) -> Reply | None:
    """The answer to an item that is not stored: never, or not with this token; None for one that may be."""
    wrong = flaw(item)
    if wrong is None and objection is None:
        return None
    return Reply(
        writer=item.writer,
        status=ReplyStatus.REJECTED,
        offset=START.offset,
        crc=START.crc,
        hint=wrong or objection,
        forbidden=wrong is None,
    )
