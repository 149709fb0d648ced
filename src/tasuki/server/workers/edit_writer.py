"""Append an edit of a run as a stream with a single record."""

import secrets

from tasuki.records import START, Item, encode_frame, pack_item
from tasuki.server.workers.group_commit import GroupCommitter

__all__ = ["append_edit"]


async def append_edit(committer: GroupCommitter, project: str, run: str, payload: bytes) -> None:
    """Commit one record about a run as a new, sealed stream. `payload`: the encoded record."""
    writer = secrets.token_hex(16)
    data = pack_item(encode_frame(payload))
    await committer.append([Item(project=project, run=run, writer=writer, **START._asdict(), sealed=True, data=data)])
