import socket
import threading

import msgspec
import pytest

from tasuki.errors import ConfigError, RemoteMisconfigured, RemoteUnavailable, RequestRejected, RequestTooLarge
from tasuki.records import ItemReply, ReplicateResponse, ReplyStatus
from tasuki.relay import HttpTransport, parse_remote_url
from tasuki.relay.http_responses import HttpResponse

TRANSPORT = HttpTransport("http://127.0.0.1:9")
REPLY = ItemReply(writer="a", status=ReplyStatus.STORED, offset=1, crc=2)
ANSWER = msgspec.msgpack.encode(ReplicateResponse(items=[REPLY], boot_id="b"))


def test_an_answer_that_names_every_item_counts():
    assert TRANSPORT.decode_response(HttpResponse(200, ANSWER), {"a"}).items == [REPLY]


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>", b"{}", msgspec.msgpack.encode({"items": []}), ANSWER[:-1]])
def test_a_2xx_with_anything_else_in_it_is_no_acknowledgement(content):
    with pytest.raises(RemoteUnavailable):
        TRANSPORT.decode_response(HttpResponse(200, content), {"a"})


def test_an_answer_that_leaves_an_item_out_is_no_acknowledgement():
    with pytest.raises(RemoteUnavailable):
        TRANSPORT.decode_response(HttpResponse(200, ANSWER), {"a", "b"})


@pytest.mark.parametrize(
    ("status", "error"),
    [(status, RemoteUnavailable) for status in (408, 425, 429, 500, 502, 503, 504)]
    + [(status, RemoteMisconfigured) for status in (301, 302, 307, 401, 403, 404, 405, 410, 426)]
    + [(status, RequestRejected) for status in (400, 409, 422)]
    + [(413, RequestTooLarge)],
)
def test_each_status_is_an_error_that_says_what_to_do(status, error):
    with pytest.raises(error, match=str(status)) as raised:
        TRANSPORT.decode_response(HttpResponse(status, b"why"), set())
    assert raised.type is error


def test_an_address_is_shown_without_its_password():
    with pytest.raises(RemoteMisconfigured) as raised:
        HttpTransport("http://me:secret@127.0.0.1:9").decode_response(HttpResponse(401, b""), set())
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("remote", ["", "127.0.0.1:7700", "ftp://x", "http://", "http://x:99999", "http://x:y", "https:///x"])
def test_what_can_be_no_address_is_refused(remote):
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:7700"):
        parse_remote_url(remote)


class Seen(HttpTransport):
    """It shows its socket."""

    def open_connection(self):
        connection = super().open_connection()
        self.socket = connection.sock
        return connection


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"])
def test_a_connection_that_breaks_is_closed_at_once_whoever_still_looks_at_the_error(said):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def break_off():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(said)

        thread = threading.Thread(target=break_off)
        thread.start()
        transport = Seen(f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(RemoteUnavailable) as kept:
            transport.replicate([])
        thread.join()
    assert transport.socket.fileno() == -1, kept
