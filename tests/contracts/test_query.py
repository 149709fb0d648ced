"""Folder and memory answer alike."""

from collections.abc import Iterator, Sequence

import pytest

from tasuki.journal import Folder, FolderSource
from tasuki.records import Item, Replicated
from tasuki.relay import Sender
from tasuki.settings import load
from tasuki.store import Query, open_local
from tasuki.testing import MemoryStore
from tests.contracts.query_claims import QueryClaims, record


class Direct:
    """A transport with nothing in between."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def replicate(self, items: Sequence[Item]) -> Replicated:
        return Replicated(items=self.store.append(items), boot_id="one")


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
        query = open_local(settings) if request.param == "folder" else MemoryStore()
        if request.param == "memory":
            source = FolderSource(Folder(settings.journal_root))
            sender = Sender(source, Direct(query))
            while sender.once().items:
                pass
            source.close()
        yield query
        query.close()
