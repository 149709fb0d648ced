"""A receipt: the proof of a server's copy of a folder, signed with the key for that server.

The signature is HMAC-SHA256 under the key's text, over the receipt's JSON without the signature, keys sorted, no spaces: whoever
has the key, the owner and the server, can check it, and nobody else can make one.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from tasuki.client.verify_remote import VerifiedStream
from tasuki.clock import SYSTEM_CLOCK, Clock, datetime_from_us

__all__ = ["build_receipt", "is_genuine"]


def build_receipt(
    remote: str, verified_streams: Sequence[VerifiedStream], key: str, *, clock: Clock = SYSTEM_CLOCK
) -> dict[str, Any]:
    """Build the receipt: each run's writers with length and sha256 of their frames, and the signature."""
    said = {
        "schema": "tasuki/receipt/1",
        "remote": remote,
        "time": datetime_from_us(clock.now_us()).isoformat(timespec="seconds"),
        "writers": [stream._asdict() for stream in sorted(verified_streams)],
        "key": hashlib.sha256(key.encode()).hexdigest()[:16],
    }
    return said | {"signature": compute_signature(said, key)}


def is_genuine(document: dict[str, Any], key: str) -> bool:
    """Return whether a receipt was made with this key and is unchanged."""
    said = {name: value for name, value in document.items() if name != "signature"}
    return hmac.compare_digest(str(document.get("signature")), compute_signature(said, key))


def compute_signature(document: dict[str, Any], key: str) -> str:
    """Return the signature in hex."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
