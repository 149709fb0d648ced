import asyncio

import pytest

from tasuki.server.auth.guards import TokenAuthenticator
from tasuki.server.auth.middleware import RequestMiddleware
from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import Tokens


async def inside(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def knock(method: str = "GET", *, closed: bool = False, **headers: str) -> tuple[int, dict[bytes, bytes]]:
    """The status and the headers of the answer; of a server that has tokens, if it is closed."""
    said = []
    tokens = Tokens(":memory:")
    if closed:
        tokens.create(Scope.READ)

    async def send(message) -> None:
        said.append(message)

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    door = RequestMiddleware(inside, TokenAuthenticator(tokens, "session", loopback=True))
    asyncio.run(door({"type": "http", "path": "/api/v1/meta", "method": method, "headers": pairs}, None, send))
    tokens.close()
    return said[0]["status"], dict(said[0]["headers"])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7700", "127.0.0.1:1", "[::1]:7700", "localhost.:7700"])
def test_the_names_of_this_machine_are_let_in(host):
    assert knock(host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7700", "", "localhost.evil.example", "127.0.0.1.evil.example", "[::1"]
)
def test_other_names_are_not(host):
    assert knock(host=host)[0] == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:7700", 200),
        ("http://localhost:8888", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
def test_another_site_may_not_send(origin, status):
    assert knock("POST", host="localhost:7700", origin=origin)[0] == status


def test_another_site_may_ask_and_learns_nothing():
    status, headers = knock("GET", host="localhost:7700", origin="http://evil.example")
    assert status == 200
    assert b"access-control-allow-origin" not in headers


def test_a_program_sends_without_an_origin():
    assert knock("POST", host="localhost:7700")[0] == 200


def test_a_server_that_needs_tokens_may_have_any_name():
    assert knock(closed=True, host="tasuki.example")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"cookie": "session=x"}, 403),
        ({"cookie": "session=x", "origin": "https://tasuki.example"}, 200),
        ({"cookie": "session=x", "origin": "https://evil.example"}, 403),
        ({"cookie": "session=x", "authorization": "Bearer x"}, 200),
        ({}, 200),
    ],
)
def test_a_cookie_changes_something_only_from_a_page_of_this_server(headers, status):
    assert knock("POST", closed=True, host="tasuki.example", **headers)[0] == status


@pytest.mark.parametrize(("spoken", "status"), [("1", 200), ("", 200), ("0", 426), ("99", 426), ("x", 426), ("1" * 5000, 426)])
def test_another_protocol_is_refused(spoken, status):
    assert knock(host="localhost", tasuki_protocol=spoken)[0] == status


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_carries_the_headers(host):
    _, headers = knock(host=host)
    assert headers[b"tasuki-protocol"] == b"1"
    assert b"'unsafe-inline'" not in headers[b"content-security-policy"]
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"referrer-policy"] == b"no-referrer"
