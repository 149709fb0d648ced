"""Where a test records and where it asks: a data folder, or a server that the folder sends to; what holds of one holds of both."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tasuki
from tests.support.processes import Child
from tests.support.remote_server import Server
from tests.support.shell import tasuki as command

__all__ = ["FOLDER", "SERVER", "Target", "seeded_target", "target", "target_server"]

FOLDER, SERVER = "folder", "server"


class Target(NamedTuple):
    """One of the two. Each has a project of its own, as the server is shared by the tests of a module.

    `folder`: the data folder of those who record. `reader`: that of those who ask: the same, or, where a server answers, an empty
    one, so that an answer from local data would be none.
    """

    kind: str
    project: str
    folder: Path
    reader: Path
    server: Server | None = None

    @property
    def url(self) -> str | None:
        """The server's address; None for a folder."""
        return self.server.url if self.server else None

    # -- record

    def init(self, name: str | None = None, **how: Any) -> tasuki.Run:
        """Start a run in this process."""
        return tasuki.init(self.project, name, dir=str(self.folder), remote=self.url, **how)

    def child(self, script: str, *arguments: object) -> Child:
        """A process in which a bare `tasuki.init()` records here."""
        variables = {"TASUKI_DIR": self.folder, "TASUKI_PROJECT": self.project} | ({"TASUKI_REMOTE": self.url} if self.url else {})
        return Child(script, *arguments, prefix=["env", *(f"{name}={value}" for name, value in variables.items())])

    # -- ask

    def ask(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command that reads: `--project`, and `--remote` for a server, are added."""
        remote = ["--remote", self.url] if self.url else []
        return command(self.reader, *arguments, "--project", self.project, *remote)

    def json(self, *arguments: str) -> dict[str, Any]:
        """What such a command prints with `--json`; it must be a success."""
        done = self.ask(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    @contextmanager
    def api(self) -> Iterator[tasuki.Api]:
        """What a program that asks has; its calls name the project: `api.runs(target.project)`."""
        with tasuki.Api(self.url, dir=str(self.reader)) as api:
            yield api


def new_target(kind: str, folder: Path, server: Server | None) -> Target:
    """A target that nothing has been recorded to yet."""
    name = f"p-{secrets.token_hex(4)}"
    return Target(kind, name, folder / name / "data", folder / name / ("data" if server is None else "reader"), server)


@pytest.fixture(scope="module")
def target_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of a module's targets."""
    with Server(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture(params=[FOLDER, SERVER])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """A folder, then a server: for a test that records something of its own."""
    return new_target(request.param, tmp_path, request.getfixturevalue("target_server") if request.param == SERVER else None)


@pytest.fixture(scope="module", params=[FOLDER, SERVER])
def seeded_target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """The same for a whole module: for a module's own fixture that records once what many tests ask about."""
    server = request.getfixturevalue("target_server") if request.param == SERVER else None
    return new_target(request.param, tmp_path_factory.mktemp("targets"), server)
