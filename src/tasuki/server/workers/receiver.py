"""Receiver of replicated streams: check items, store them, and return positions and stop commands."""

import re
from pathlib import Path

from tasuki.errors import ConfigError
from tasuki.journal import normalize_project_name, validate_run_id
from tasuki.records import MAX_ITEM_BYTES, START, Item, ItemReply, ReplicateRequest, ReplicateResponse, ReplyStatus, StopCommand
from tasuki.server.auth.principal import Principal
from tasuki.server.auth.rate_limits import BandwidthLimit
from tasuki.server.http.body_limits import BodyReader
from tasuki.server.workers.group_commit import GroupCommitter
from tasuki.server.workers.run_ownership import RunOwnership
from tasuki.server.workers.stop_requests import StopRequests

__all__ = ["SMALL_BYTES", "StreamReceiver", "build_empty_item"]

WRITER_PATTERN = re.compile(r"[0-9a-f]{32}")
MAX_OFFSET = 2**62
SMALL_BYTES = 256 * 1024


class StreamReceiver:
    """Handles replicate requests, and holds the limits shared by all routes that receive data."""

    def __init__(
        self, committer: GroupCommitter, ownership: RunOwnership, raw_path: Path, boot_id: str, stop_requests: StopRequests
    ) -> None:
        self.committer = committer
        self.ownership = ownership
        self.raw_path = raw_path
        self.boot_id = boot_id
        self.body_reader = BodyReader()
        self.bandwidth_limit = BandwidthLimit()
        self.stop_requests = stop_requests

    async def handle(self, request: ReplicateRequest, principal: Principal) -> ReplicateResponse:
        """Store the items of a request; without items, wait for stop commands to the listed attempts."""
        if not request.items:
            return ReplicateResponse(items=[], boot_id=self.boot_id, control=await self.wait_for_stop_commands(request, principal))
        objections = await self.ownership.find_objections(principal, request.items)
        refusals = [build_rejection(item, objection) for item, objection in zip(request.items, objections, strict=True)]
        sound = [item for item, refused in zip(request.items, refusals, strict=True) if refused is None]
        replies = iter(await self.committer.append(sound) if sound else [])
        answers = [refused or next(replies) for refused in refusals]
        words = self.stop_requests.find_for_runs({(item.project, item.run) for item in sound})
        return ReplicateResponse(items=answers, boot_id=self.boot_id, control=words)

    async def wait_for_stop_commands(self, request: ReplicateRequest, principal: Principal) -> list[StopCommand]:
        """Wait for stop commands to the listed attempts; return those of runs that the principal may send to."""
        attempts = {(one.project, one.run, one.attempt) for one in request.listening}
        found = await self.stop_requests.wait(attempts, request.wait_s)
        permitted = await self.ownership.are_permitted(principal, [build_empty_item(project, run) for project, run, _ in found])
        return [word for word, may_hear in zip(found.values(), permitted, strict=True) if may_hear]


def build_empty_item(project: str, run: str) -> Item:
    """Build an item without data, for checking access to a run."""
    return Item(project=project, run=run, writer="0" * 32, offset=START.offset, crc=START.crc)


def find_item_error(item: Item) -> str | None:
    """Return why an item is malformed, or None.

    The checks keep names from becoming paths, and numbers from overflowing.
    """
    if not WRITER_PATTERN.fullmatch(item.writer):
        return "a writer's id is 32 hex digits"
    if not 0 <= item.offset <= MAX_OFFSET or not 0 <= item.crc < 2**32:
        return "there is no such position"
    if item.data is not None and len(item.data) > MAX_ITEM_BYTES + SMALL_BYTES:
        return f"an item has {len(item.data)} bytes; {MAX_ITEM_BYTES + SMALL_BYTES} are the most"
    try:
        if normalize_project_name(item.project) != item.project:
            return "the project's name is not in its normal form (NFC, no spaces around it)"
        if item.run:
            validate_run_id(item.run)
    except ConfigError as error:
        return error.message
    return None


def build_rejection(item: Item, objection: str | None) -> ItemReply | None:
    """Return the `rejected` reply for a malformed or forbidden item; None if the item may be stored."""
    wrong = find_item_error(item)
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
