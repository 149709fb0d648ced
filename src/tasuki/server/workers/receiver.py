"""`POST /api/v1/replicate`: streams come in, positions go out."""

import re
from pathlib import Path

from tasuki.errors import ConfigError
from tasuki.journal import project_name, run_id
from tasuki.records import MAX_ITEM_BYTES, START, Item, ItemReply, ReplicateRequest, ReplicateResponse, ReplyStatus, StopCommand
from tasuki.server.auth.principal import Principal
from tasuki.server.auth.rate_limits import BandwidthLimit
from tasuki.server.http.body_limits import BodyReader
from tasuki.server.workers.group_commit import GroupCommitter
from tasuki.server.workers.run_ownership import RunOwnership
from tasuki.server.workers.stop_requests import StopRequests

__all__ = ["SMALL_BYTES", "StreamReceiver", "of_run"]

WRITER = re.compile(r"[0-9a-f]{32}")
LARGEST_OFFSET = 2**62
SMALL_BYTES = 256 * 1024


class StreamReceiver:
    """What `replicate` needs of the server."""

    def __init__(
        self, committer: GroupCommitter, authority: RunOwnership, raw_path: Path, boot_id: str, mailbox: StopRequests
    ) -> None:
        self.committer = committer
        self.authority = authority
        self.raw_path = raw_path
        self.boot_id = boot_id
        self.bodies = BodyReader()
        self.pace = BandwidthLimit()
        self.mailbox = mailbox

    async def answer(self, request: ReplicateRequest, principal: Principal) -> ReplicateResponse:
        """Store the items; without any, wait for a word about what is listened for."""
        if not request.items:
            return ReplicateResponse(items=[], boot_id=self.boot_id, control=await self.words(request, principal))
        objections = await self.authority.objections(principal, request.items)
        refusals = [refusal(item, objection) for item, objection in zip(request.items, objections, strict=True)]
        sound = [item for item, refused in zip(request.items, refusals, strict=True) if refused is None]
        replies = iter(await self.committer.append(sound) if sound else [])
        answers = [refused or next(replies) for refused in refusals]
        words = self.mailbox.about({(item.project, item.run) for item in sound})
        return ReplicateResponse(items=answers, boot_id=self.boot_id, control=words)

    async def words(self, request: ReplicateRequest, principal: Principal) -> list[StopCommand]:
        """What is wanted of the attempts that are listened for: said to those alone who may send to the run."""
        attempts = {(one.project, one.run, one.attempt) for one in request.listening}
        found = await self.mailbox.wait(attempts, request.wait_s)
        permitted = await self.authority.permitted(principal, [of_run(project, run) for project, run, _ in found])
        return [word for word, may_hear in zip(found.values(), permitted, strict=True) if may_hear]


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


def refusal(item: Item, objection: str | None) -> ItemReply | None:
    """The answer to an item that is not stored: never, or not with this token; None for one that may be."""
    wrong = flaw(item)
    if wrong is None and objection is None:
        return None
    return ItemReply(
        writer=item.writer,
        status=ReplyStatus.REJECTED,
        offset=START.offset,
        crc=START.crc,
        hint=wrong or objection,
        forbidden=wrong is None,
    )
