import asyncio

import msgspec
import pytest

from tasuki.records import Item, ReplicateRequest
from tasuki.server.http.problems import HttpProblem
from tasuki.server.routes.replicate import parse_replicate_request
from tasuki.server.workers.receiver import find_item_error

SOUND = Item(project="p", run="r", writer="0" * 32, offset=0, crc=0)


def changed(**fields) -> Item:
    return msgspec.structs.replace(SOUND, **fields)


@pytest.mark.parametrize("item", [SOUND, changed(run=""), changed(project="Ångström/../x"), changed(offset=2**40, crc=2**32 - 1)])
def test_what_a_sender_sends_has_no_flaw(item):
    assert find_item_error(item) is None


@pytest.mark.parametrize(
    "item",
    [
        changed(writer="../../etc/passwd"),
        changed(writer="0" * 31),
        changed(writer="*" * 32),
        changed(writer="A" * 32),
        changed(writer="0" * 32 + "\n"),
        changed(project=""),
        changed(project=" p"),
        changed(project="a\0b"),
        changed(project="x" * 1001),
        changed(project="A\u030a"),
        changed(run="../r"),
        changed(run="r" * 65),
        changed(offset=-1),
        changed(offset=2**63),
        changed(crc=2**32),
        changed(crc=-1),
        changed(data=b"x" * (18 * 1024 * 1024)),
    ],
)
def test_what_no_sender_sends_is_refused(item):
    assert find_item_error(item)


@pytest.mark.parametrize(
    ("body", "binary"),
    [
        (b"", True),
        (b"<html>", True),
        (b"\xc1", True),
        (b"[]", False),
        (b'{"items": 3}', False),
        (b'{"wait_s": 31}', False),
        (b'{"wait_s": -1}', False),
        (b'{"items": [{"writer": "\xff"}]}', False),
        (b"[" * 100_000, False),
        (b"\x91" * 100_000, True),
        (b"\x81\xa5items\x91\x81\xa6writer\xa2\xff\xfe", True),
    ],
)
def test_what_is_no_request_is_refused(body, binary):
    with pytest.raises(HttpProblem) as refusal:
        asyncio.run(parse_replicate_request(body, binary=binary))
    assert refusal.value.status == 400


def test_too_many_items_are_too_large():
    body = msgspec.msgpack.encode({"items": [{}] * 10_001})
    with pytest.raises(HttpProblem) as refusal:
        asyncio.run(parse_replicate_request(body, binary=True))
    assert refusal.value.status == 413


@pytest.mark.parametrize("binary", [True, False])
def test_a_request_is_read_either_way(binary):
    asked = ReplicateRequest(items=[changed(data=b"\0\xff")], wait_s=2)
    encode = msgspec.msgpack.encode if binary else msgspec.json.encode
    assert asyncio.run(parse_replicate_request(encode(asked), binary=binary)) == asked
