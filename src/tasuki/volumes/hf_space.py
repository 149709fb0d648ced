"""A Hugging Face Space as the destination: a tasuki server is an address.

A trackio Space gets trackio's own `sync`.

trackio decides by environment variables, when it is imported, where it reads and whom it asks: so it runs in a process of its own,
over private copies of the databases that have changed.
"""

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tasuki.client.probe import ProbeVerdict, probe_remote
from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import ConfigError, DataError, RemoteError, RemoteRejected, RemoteUnavailable
from tasuki.importers.sqlite_copy import (
    Fingerprint,
    copy_database,
    is_next_change_visible,
    open_copy,
    read_fingerprint,
    remove_copy,
)
from tasuki.importers.trackio.folder import list_databases
from tasuki.importers.trackio.row_mapping import map_project_name
from tasuki.importers.trackio.sender import ProjectResult
from tasuki.remotes import RemotesFile, TokenSource
from tasuki.settings import hugging_face_token, with_environment
from tasuki.volumes.destination import build_space_url

__all__ = ["SpaceUploader", "get_space_key", "is_tasuki_server"]

SYNC_TIMEOUT_SECONDS = 900
MAX_SHOWN_CHARACTERS = 300
UNREACHABLE_VERDICTS = {
    ProbeVerdict.UNRESOLVED,
    ProbeVerdict.REFUSED,
    ProbeVerdict.SLOW,
    ProbeVerdict.TLS,
    ProbeVerdict.BROKEN,
    ProbeVerdict.IN_TROUBLE,
}
SYNC_SCRIPT = """
import sys, huggingface_hub, trackio
from trackio import deploy
project, space = sys.argv[1:]
if hasattr(deploy, "sync_incremental") and huggingface_hub.HfApi().repo_exists(space, repo_type="space"):
    deploy.sync_incremental(project, space)
else:
    trackio.sync(project=project, space_id=space, force=True)
"""
"""To a Space that is there, rows are added, and others' stay; one that is not is made of the whole database."""


def get_space_key(space: str, remotes: RemotesFile) -> TokenSource:
    """Return the token for a Space: from `credentials` for its address, else HF_TOKEN."""
    return remotes.token_source(build_space_url(space), hugging_face_token())


def is_tasuki_server(url: str, token: str | None) -> bool:
    """Return whether a tasuki server answers there. Raise RemoteUnavailable if nothing answers."""
    found = probe_remote(url, token=token)
    if found.verdict in UNREACHABLE_VERDICTS:
        raise RemoteUnavailable(found.said, hint=found.hint)
    return found.version is not None


class SpaceUploader:
    """Uploads to a trackio Space. trackio sends all rows of a project each time.

    The Space skips known ids.
    """

    def __init__(self, volume: Path, space: str, state: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        if find_spec("trackio") is None:
            raise ConfigError(f"{space} is a Space of trackio's, which needs an extra", hint="pip install 'tasuki[trackio]'")
        self.volume = volume
        self.space = space
        self.folder = state / "syncer" / "space"
        self.clock = clock
        self.synced_fingerprints: dict[str, Fingerprint] = {}
        self.sent_bytes = 0

    def close(self) -> None:
        """Do nothing: no file is open."""

    def close_files(self) -> None:
        """Do nothing: no file is open."""

    def run_round(self) -> Iterator[ProjectResult]:
        """Sync every project that has changed; yield the result of each."""
        for path in list_databases(self.volume):
            name = map_project_name(path.stem)
            try:
                if self.synced_fingerprints.get(name) != read_fingerprint(path):
                    state = self.sync_project(path, name)
                    if is_next_change_visible(state, self.clock):
                        self.synced_fingerprints[name] = state
                    yield ProjectResult(name, 1)
            except (DataError, RemoteError, OSError) as error:
                yield ProjectResult(name, 0, error)
        for folder in sorted(path.parent for path in self.volume.glob("*/*.tsk"))[:1]:
            refused = RemoteRejected(f"{self.space} takes no journals of tasuki's", hint="send them to a tasuki server")
            yield ProjectResult(folder.name, 0, refused)

    def sync_project(self, path: Path, name: str) -> Fingerprint:
        """Copy one database and have trackio sync it.

        Raise RemoteUnavailable, with trackio's output, on failure.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        copy = self.folder / path.name
        try:
            state = copy_database(path, copy, clock=self.clock)
            open_copy(copy, path).close()
            done = subprocess.run(
                [sys.executable, "-c", SYNC_SCRIPT, name, self.space],
                env=with_environment(TRACKIO_DIR=str(self.folder)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SYNC_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise RemoteUnavailable(f"trackio's sync of {name!r} took longer than {SYNC_TIMEOUT_SECONDS} s") from error
        finally:
            remove_copy(copy)
        if done.returncode != 0:
            words = " ".join(done.stderr.strip().splitlines()[-1:])[:MAX_SHOWN_CHARACTERS]
            raise RemoteUnavailable(f"trackio's sync of {name!r} to {self.space} failed: {words}")
        return state
