"""The base of all records, and the record of an unknown kind."""

from typing import Annotated

import msgspec

__all__ = ["Attempt", "Int64", "Record", "UnknownRecord"]

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Attempt = Annotated[int, msgspec.Meta(ge=1, le=2**31)]


class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Base of all records."""

    time: int


class UnknownRecord(msgspec.Struct, frozen=True):
    """A record of a kind that this version does not know: kept raw, noted, projected after an upgrade."""

    kind: str
    time: int
