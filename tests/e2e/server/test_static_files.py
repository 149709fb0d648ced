"""The files of the page: their types, their tags, and that nothing else can be had."""

import re
from collections.abc import Iterator

import pytest

from tests.support.servers import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("page")) as server:
        yield server


def test_the_page_is_there_with_everything_it_names(server):
    page = server.client.get("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="([^":]+)"', page.text)
    assert named
    for path in named:
        assert server.client.get(f"/{path}").status_code == 200


def test_a_file_that_is_known_is_not_sent_again_and_a_large_one_is_packed(server):
    answer = server.client.get("/vendor/uplot.js", headers={"Accept-Encoding": "identity"})
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "Content-Encoding" not in answer.headers
    packed = server.client.get("/vendor/uplot.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.num_bytes_downloaded < len(answer.content) / 2
    assert packed.content == answer.content
    again = server.client.get("/vendor/uplot.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing.js",
        "/vendor",
        "/vendor/",
        "/vendor/uplot.js/x.js",
        "/../__init__.py",
        "/%2e%2e/__init__.py",
        "/vendor/../../__init__.py",
        "/..%2f..%2fserver%2fapp.py",
        "/..%5c__init__.js",
        "//etc/hosts.js",
        "/%00.js",
        "/vendor/htm.LICENSE",
        "/" + "x" * 5000 + ".js",
    ],
)
def test_nothing_else_can_be_had(server, path):
    answer = server.client.send(server.client.build_request("GET", server.url + path))
    assert answer.status_code == 404
    assert answer.json()["error"] == "not-found"


def test_nothing_inline_may_run(server):
    for path in ("/", "/api/v1/meta", "/nothing.js"):
        policy = server.client.get(path).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'")
        assert "unsafe" not in policy


def test_agents_are_told_what_there_is_and_every_address_in_it_answers(server):
    told = server.client.get("/llms.txt")
    assert (told.status_code, told.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    described = server.client.get("/openapi.json").json()["paths"]
    named = re.findall(r"`GET (/[^?`]*)", told.text)
    assert len(named) > 6
    assert {path for path in named if path.startswith("/api/v1/")} <= set(described)
