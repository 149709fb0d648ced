"""Folder and memory answer alike."""

from collections.abc import Iterator, Sequence

import pytest

from tasuki.journal import JournalFolder, JournalSource
from tasuki.records import Item, ReplicateResponse
from tasuki.relay import Sender
from tasuki.settings import Settings, load
from tasuki.store import Query, QueryAndEdit, open_folder_store
from tasuki.testing import MemoryStore
from tests.contracts.edit_claims import EditClaims, record_runs
from tests.contracts.query_claims import QueryClaims, record


class Direct:
    """A transport with nothing in between."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        return ReplicateResponse(items=self.store.append(items), boot_id="one")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def ids(folder) -> dict[str, str]:
    return record(folder)


class TestQuery(QueryClaims):
    @pytest.fixture(params=["folder", "memory"])
    def query(self, request, folder, ids) -> Iterator[Query]:
        settings = load(dir=folder)
        query = open_folder_store(settings) if request.param == "folder" else in_memory(settings)
        yield query
        query.close()


class TestEdits(EditClaims):
    @pytest.fixture
    def first(self, tmp_path) -> str:
        return record_runs(str(tmp_path))

    @pytest.fixture(params=["folder", "memory"])
    def ledger(self, request, tmp_path, first) -> Iterator[QueryAndEdit]:
        settings = load(dir=str(tmp_path))
        ledger = open_folder_store(settings) if request.param == "folder" else in_memory(settings)
        yield ledger
        ledger.close()


def in_memory(settings: Settings) -> MemoryStore:
    """All that a folder has, in memory."""
    store = MemoryStore()
    source = JournalSource(JournalFolder(settings.journal_root))
    sender = Sender(source, Direct(store))
    while sender.run_round().items:
        pass
    source.close()
    return store
