"""Commands of this machine keep what every transport promises; those over ssh are in the group `cluster`."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasuki.hpc.transports.local import LocalTransport
from tests.contracts.transport_claims import Run, TransportClaims


class TestLocal(TransportClaims):
    @pytest.fixture
    def run(self) -> Iterator[Run]:
        with asyncio.Runner() as runner:
            yield runner.run  # type: ignore[misc] # a coroutine is what it is given

    @pytest.fixture
    def transport(self, run: Run) -> LocalTransport:
        return LocalTransport()

    @pytest.fixture
    def folder(self, tmp_path: Path) -> str:
        return str(tmp_path / "there's a folder")
