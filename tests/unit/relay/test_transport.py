import msgspec
import pytest

from tasuki.errors import ConfigError, RemoteRejected, RemoteUnavailable
from tasuki.records import Replicated, Reply, ReplyStatus
from tasuki.relay import HttpTransport, remote_url

TRANSPORT = HttpTransport("http://127.0.0.1:9")
REPLY = Reply(writer="a", status=ReplyStatus.STORED, offset=1, crc=2)
ANSWER = msgspec.msgpack.encode(Replicated(items=[REPLY], boot_id="b"))


def test_an_answer_that_names_every_item_counts():
    assert TRANSPORT.answer(200, ANSWER, {"a"}).items == [REPLY]


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>", b"{}", msgspec.msgpack.encode({"items": []}), ANSWER[:-1]])
def test_a_2xx_with_anything_else_in_it_is_no_acknowledgement(content):
    with pytest.raises(RemoteUnavailable):
        TRANSPORT.answer(200, content, {"a"})


def test_an_answer_that_leaves_an_item_out_is_no_acknowledgement():
    with pytest.raises(RemoteUnavailable):
        TRANSPORT.answer(200, ANSWER, {"a", "b"})


@pytest.mark.parametrize(
    ("status", "error"),
    [(408, RemoteUnavailable), (429, RemoteUnavailable), (500, RemoteUnavailable), (503, RemoteUnavailable)]
    + [(status, RemoteRejected) for status in (301, 400, 401, 403, 404, 413, 426)],
)
def test_statuses_say_whether_to_wait_or_to_give_up(status, error):
    with pytest.raises(error, match=str(status)):
        TRANSPORT.answer(status, b"why", set())


@pytest.mark.parametrize("remote", ["", "127.0.0.1:7700", "ftp://x", "http://", "http://x:99999", "http://x:y", "https:///x"])
def test_what_can_be_no_address_is_refused(remote):
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:7700"):
        remote_url(remote)
