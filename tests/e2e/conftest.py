"""A server over an empty folder; a folder or a server, for tests of what holds of both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.query_targets import seeded_target, target, target_server  # noqa: F401 - fixtures
from tests.support.servers import Server, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serving(folder) as server:
        yield server
