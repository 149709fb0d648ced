"""A server over a folder answers as the folder does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasuki.client.http_query import HttpQuery
from tasuki.client.open_query import open_query
from tasuki.errors import NotFound, RemoteUnavailable
from tasuki.records import RunEdit
from tasuki.settings import load
from tasuki.store import LocalStore, Query, QueryAndEdit
from tests.contracts.edit_claims import EditClaims, record_runs
from tests.contracts.query_claims import QueryClaims, record
from tests.support.servers import Server, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture(scope="module")
def ids(folder: Path) -> dict[str, str]:
    return record(str(folder))


@pytest.fixture(scope="module")
def server(folder: Path, ids: dict[str, str]) -> Iterator[Server]:
    with serving(folder) as server:
        yield server


class TestQueryOverHttp(QueryClaims):
    @pytest.fixture
    def query(self, server: Server) -> Iterator[Query]:
        with HttpQuery(server.url) as query:
            yield query

    def test_every_answer_equals_the_folders_own(self, query, folder, ids):
        with LocalStore(load(dir=str(folder))) as local:
            assert query.projects() == local.projects()
            for project in ("digits", "Ångström/../x"):
                assert query.runs(project) == local.runs(project)
                assert query.alerts(project) == local.alerts(project)
                assert repr(query.summaries(project)) == repr(local.summaries(project))
                for run in local.runs(project):
                    assert query.run(project, run.id) == run
                    assert repr(query.history(project, run.id)) == repr(local.history(project, run.id))


@pytest.fixture(scope="module")
def edited_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("edited")) as server:
        yield server


class TestEditsOverHttp(EditClaims):
    @pytest.fixture
    def first(self, edited_server: Server, tmp_path: Path) -> str:
        with HttpQuery(edited_server.url) as query:
            for row in query.runs("edited") if "edited" in {row.name for row in query.projects()} else ():
                query.delete("edited", row.id)
        return record_runs(str(edited_server.folder))

    @pytest.fixture
    def ledger(self, edited_server: Server, first: str) -> Iterator[QueryAndEdit]:
        with HttpQuery(edited_server.url) as query:
            yield query

    def test_an_edit_is_on_the_servers_disk_and_goes_with_the_run(self, ledger, first, edited_server):
        ledger.edit("edited", first, RunEdit(name="sealed"))
        assert [stream["run"] for stream in edited_server.json("streams", project="edited")["streams"]].count(first) == 1
        assert edited_server.client.post("/api/v1/purge", params={"project": "edited", "run": first}).json()["streams"] == 1
        assert ledger.run("edited", first).name == "twin"
        assert ledger.edit("edited", first, RunEdit(name="again")).name == "again"


class TestChoosing:
    def test_a_url_is_a_server_and_nothing_is_the_folder(self, server, folder, ids):
        for target, kind in ((server.url, HttpQuery), (server.url + "/", HttpQuery), (None, LocalStore)):
            query = open_query(target, load(dir=str(folder)))
            assert isinstance(query, kind)
            assert [row.name for row in query.projects()] == ["digits", "Ångström/../x"]
            query.close()

    def test_a_server_that_is_gone_is_said_and_the_folder_does_not_answer_instead(self, folder, ids, tmp_path):
        with serving(tmp_path / "other") as gone:
            query = HttpQuery(gone.url)
            assert query.projects() == []
        with pytest.raises(RemoteUnavailable, match="can't be reached"):
            query.projects()
        query.close()

    def test_what_is_not_there_is_not_found_whatever_its_name(self, server):
        with HttpQuery(server.url) as query:
            for run in ("../projects", "a/b", "x?y#z", "ü", "%2e%2e", ""):
                with pytest.raises(NotFound):
                    query.history("digits", run)
