"""What the chaos tests share: the store and the journals of the data folder, a server."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tasuki.journal import JournalFolder
from tasuki.settings import load
from tasuki.store import LocalStore, open_folder_store
from tests.support.remote_server import Server

OpenStore = Callable[[], AbstractContextManager[LocalStore]]


@pytest.fixture
def open_store(data_dir: Path) -> OpenStore:
    """Opens the store of the data folder; it answers when everything is projected."""

    @contextmanager
    def opened() -> Iterator[LocalStore]:
        with open_folder_store(load(dir=str(data_dir)), wait_seconds=None) as store:
            yield store

    return opened


@pytest.fixture
def folder(data_dir: Path) -> JournalFolder:
    """The journals of the data folder."""
    return JournalFolder(data_dir / "journal")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server over an empty folder."""
    with Server(tmp_path / "server") as server:
        yield server
