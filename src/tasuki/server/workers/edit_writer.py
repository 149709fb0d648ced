"""Write an edit of a run as a record of its own stream."""

import secrets

from tasuki.records import START, Item, encode_frame, pack_item
from tasuki.server.workers.group_commit import GroupCommitter

__all__ = ["append_edit"]


async def append_edit(committer: GroupCommitter, project: str, run: str, payload: bytes) -> None:
    """Put a record about a run on the disk, in a stream of its own that ends with it."""
    writer = secrets.token_hex(16)
    data = pack_item(encode_frame(payload))
    await committer.append([Item(project=project, run=run, writer=writer, **START._asdict(), sealed=True, data=data)])
