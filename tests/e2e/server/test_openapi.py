"""Whatever the description of the API allows, and whatever it does not, is answered without a server error."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema

from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import open_tokens
from tests.support.servers import Server, Stream, metrics, serving, started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("api")
    (folder / "tasuki.yaml").write_text("providers: {replicate: {base_url: 'http://127.0.0.1:9'}}\n")  # nobody is there
    with serving(folder) as server:
        server.replicate([Stream("p", f"r{number}").item([started("n"), *metrics(*range(20))]) for number in range(3)])
        yield server


@pytest.fixture(scope="module")
def described(server: Server) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


JOBS = "/api/cloud/jobs"
OPERATIONS = {
    JOBS: "GET",
    f"{JOBS}/submit": "POST",
    f"{JOBS}/sync": "POST",
    f"{JOBS}/{{id}}": "DELETE",
    f"{JOBS}/{{id}}/cancel": "POST",
    f"{JOBS}/{{id}}/inline-progress": "GET",
    f"{JOBS}/{{id}}/logs": "GET",
    f"{JOBS}/{{id}}/logs/stream": "GET",
    f"{JOBS}/{{id}}/retry": "POST",
    "/api/cloud/metrics": "GET",
    "/api/cloud/providers": "GET",
    "/api/cloud/providers/{name}/config": "PUT",
    "/api/cloud/providers/{name}/validate": "GET",
    "/api/cloud/{name}/validate": "GET",
    "/api/webhooks/{provider}": "POST",
    "/api/v1/alerts": "GET",
    "/api/v1/files": "GET",
    "/api/v1/files/{sha256}": "GET",
    "/api/v1/ingest": "POST",
    "/api/v1/meta": "GET",
    "/api/v1/notes": "GET",
    "/api/v1/overview": "GET",
    "/api/v1/projects": "GET",
    "/api/v1/purge": "POST",
    "/api/v1/remotes": "GET",
    "/api/v1/replicate": "POST",
    "/api/v1/runs": "GET",
    "/api/v1/runs/{id}": "GET",
    "/api/v1/runs/{id}/files": "GET",
    "/api/v1/runs/{id}/history": "GET",
    "/api/v1/runs/{id}/metrics": "GET",
    "/api/v1/runs/{id}/points": "GET",
    "/api/v1/runs/{id}/resume": "GET",
    "/api/v1/runs/{id}/stop": "POST",
    "/api/v1/runs/{id}/texts": "GET",
    "/api/v1/series": "GET",
    "/api/v1/session": "GET",
    "/api/v1/streams": "GET",
    "/api/v1/summaries": "GET",
    "/api/v1/sync": "POST",
}
CALLS = [*OPERATIONS.items(), ("/api/v1/runs/{id}", "PATCH"), ("/api/v1/runs/{id}", "DELETE")]
CALLS += [(f"{JOBS}/{{id}}", "GET"), ("/api/cloud/providers/{name}/config", "GET")]


WITH_PARAMETERS = {JOBS, f"{JOBS}/submit", f"{JOBS}/sync"}
NOTHING_CAN_BE_WRONG = {path for path in OPERATIONS if not path.startswith("/api/v1") and path not in WITH_PARAMETERS}
NOTHING_CAN_BE_WRONG |= {"/api/v1/meta", "/api/v1/remotes", "/api/v1/session"}


# Not with the plugin of schemathesis: its fixtures do not work with pytest 9.
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), CALLS)
def test_no_request_is_a_server_error(server, described, path, method, mode):
    if path in NOTHING_CAN_BE_WRONG and mode is GenerationMode.NEGATIVE:
        pytest.skip("it takes no parameters but texts: nothing about it can be wrong")
    operation = described[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(suppress_health_check=list(HealthCheck))
    def check(case):
        if isinstance(case.body, dict):
            case.body.pop("command", None)  # or it would be run
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body.pop("wait_s", None)  # or we wait up to 30 seconds for a word that nobody says
        case.call_and_validate(base_url=server.url, checks=[not_a_server_error], timeout=20)

    check()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with tokens, and some of them."""
    folder = tmp_path_factory.mktemp("closed")
    with open_tokens(folder) as tokens:
        texts = {scope.value: tokens.create(scope, "p") for scope in (Scope.READ, Scope.LOG)} | {"no": ""}
        admin = tokens.create(Scope.ADMIN)
    with serving(folder, token=admin) as server:
        server.replicate([Stream("p", "r").item([started("n"), *metrics(*range(20))])])
        yield server, texts


@pytest.mark.parametrize("who", ["no", "read", "log"])
@pytest.mark.parametrize(("path", "method"), CALLS)
def test_no_request_with_a_small_token_or_none_is_a_server_error(closed, described, path, method, who):
    server, texts = closed
    operation = described[path][method]

    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    @settings(suppress_health_check=list(HealthCheck), max_examples=15)
    def check(case):
        if isinstance(case.body, dict):
            case.body.pop("wait_s", None)
            case.body.pop("command", None)
        headers = {"Authorization": f"Bearer {texts[who]}"} if texts[who] else {}
        answer = case.call(base_url=server.url, timeout=20, headers=headers)
        assert answer.status_code < 500
        allowed = {401, 404} if path.startswith("/api/webhooks") else {401}
        assert who != "no" or answer.status_code in allowed

    check()


def test_every_path_is_described(server):
    described = server.client.get("/openapi.json").json()
    assert set(described["paths"]) == set(OPERATIONS)
    assert {"RunList", "RunRow", "MetricSummary", "SeriesResponse", "ReplicateResponse", "Problem"} <= set(
        described["components"]["schemas"]
    )
