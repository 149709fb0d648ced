"""Whatever is posted to where trackio's client posts, the server answers it, and goes on."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasuki.client.http_query import HttpQuery
from tests.support.servers import Server, serving

NAMES = (
    "log", "bulk_log", "bulk_log_system", "bulk_alert", "bulk_run_status", "bulk_upload_media", "get_all_projects",
    "get_runs_for_project", "get_project_summary", "get_run_summary", "get_metrics_for_run", "get_alerts", "nothing",
)  # fmt: skip
WORDS = (
    "project", "run", "run_id", "metrics", "step", "config", "log_id", "alert_id", "title", "level", "data", "status", "timestamp",
    "uploaded_file", "path", "orig_name", "relative_path", "_type", "_Created", "file_path", "trackio.image", "trackio.table",
    "NaN", "../..", "\u0000", "é", "",
)  # fmt: skip
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(WORDS), st.text()
)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=6),
    max_leaves=12,
)
metrics = st.dictionaries(st.text(max_size=4), values, max_size=4)
entries = st.fixed_dictionaries(
    {},
    optional={
        "project": st.sampled_from(["p", " p ", "", "é/../x", "\n"]) | values,
        "run": st.sampled_from(["r", "a b", ""]) | values,
        "run_id": st.none() | st.sampled_from(["r", "../x"]) | values,
        "metrics": metrics | values,
        "step": st.integers(-(2**70), 2**70) | values,
        "config": st.none() | metrics | st.just({"_Created": "2026-11-24", "_Group": 5}) | values,
        "log_id": st.none() | st.sampled_from(["1", "2"]) | values,
        "alert_id": values,
        "title": st.text(max_size=3) | values,
        "level": values,
        "data": st.none() | metrics | values,
        "status": st.sampled_from(["finished", "lost"]) | values,
        "timestamp": st.sampled_from(["2026-11-24T00:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01", "x"]) | values,
        "uploaded_file": st.just({"path": "x"}) | values,
    },
)
whole = st.builds(lambda entry: {"project": "p", "run": "r", "metrics": {}, "title": "t", "status": "failed"} | entry, entries)
lists = st.lists(entries | whole | whole, max_size=4)
calls = st.one_of(
    st.fixed_dictionaries(
        {"args": st.lists(lists | values, max_size=3), "kwargs": st.dictionaries(st.sampled_from(WORDS), values)}
    ),
    st.fixed_dictionaries({"kwargs": st.fixed_dictionaries({"logs": lists, "alerts": lists, "statuses": lists, "uploads": lists})}),
    st.fixed_dictionaries({"kwargs": whole}),
    values,
)
bodies = st.one_of(calls.map(lambda call: msgspec.json.encode(call) if fits(call) else b"{"), st.binary(max_size=40))


def fits(value: Any) -> bool:
    """Whether it can be written as JSON here."""
    try:
        msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError, TypeError):
        return False
    return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("garbage")) as server:
        yield server


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(NAMES), bodies)
def test_any_call_is_answered_without_a_server_error(server: Server, name: str, body: bytes) -> None:
    answer = server.client.post(f"/api/{name}", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {200, 400, 404}, (body, answer.text)
    assert ("data" if answer.status_code == 200 else "error") in answer.json()


parts = st.lists(
    st.sampled_from([
        b"--b\r\n", b"--b--\r\n", b"\r\n", b'Content-Disposition: form-data; name="files"; filename="a"\r\n', b"\r\n\r\n",
        b"x" * 50, b'Content-Disposition: form-data; name="other"\r\n\r\n', b"--c", b"\n", b"\xff",
    ]),
    max_size=8,
).map(b"".join)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts,
    st.sampled_from(["multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary=é", "text/plain"]),
)
def test_any_upload_is_answered_without_a_server_error(server: Server, body: bytes, kind: str) -> None:
    answer = server.client.post("/api/upload", content=body, headers={"Content-Type": kind.encode()})
    assert answer.status_code in {200, 400}, (body, answer.text)


def test_what_is_whole_is_kept_beside_what_is_not(server: Server) -> None:
    entry = {"project": "sound", "run": "r", "metrics": {"x": 1}, "step": 1}
    for logs in ([entry, {"project": "sound"}], [entry | {"step": 2**64}], [entry | {"project": ""}]):
        assert server.client.post("/api/bulk_log", json={"kwargs": {"logs": logs}}).status_code == 400
    assert server.client.post("/api/bulk_log", json={"kwargs": {"logs": [entry]}}).status_code == 200
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    odd = {"a" * 5000: 2.5, "text": "é😀", "deep": deep, "big": 2**63, "list": [1, [2]], "NaN": "NaN", "": 3}
    assert server.client.post("/api/bulk_log", json={"kwargs": {"logs": [entry | {"metrics": odd, "step": 2}]}}).status_code == 200
    with HttpQuery(server.url) as query:
        assert query.series("sound", "r", "x").values.tolist() == [1]
        assert query.series("sound", "r", "big").values.tolist() == [float(2**63)]
        assert query.series("sound", "r", "").values.tolist() == [3]
        assert {row.form for row in query.files("sound", "r")} == {"text", "json"}
        assert query.runs("sound")[0].points == 5
    large = {"project": "sound", "run": "r", "metrics": {"text": "x" * 3_000_000}, "step": 3}
    assert server.client.post("/api/bulk_log", json={"kwargs": {"logs": [large] * 8}}).status_code == 200
    with HttpQuery(server.url) as query:
        (row,) = [row for row in query.files("sound", "r")[-1:] if row.size == 3_000_000]
    assert len(server.get(f"files/{row.sha256}", project="sound", run="r").content) == 3_000_000
