"""Other trackers from PyPI, each in an environment of its own below `.bench/`, made when first asked for."""

import os
from pathlib import Path

import pytest

from benchmarks.peer import PeerMissing, peer

__all__ = ["peer_python"]


def peer_python(name: str) -> Path:
    """The Python of a peer of `benchmarks/peers.toml`. Where it can't be installed the test is skipped; in CI it fails."""
    try:
        return peer(name).python
    except PeerMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{name} {error}")
