"""Other trackers from PyPI, each in an environment of its own below `.bench/`, made when first asked for."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.child import ROOT
from benchmarks.machine import BENCH_FOLDER
from benchmarks.peer import PeerUnavailable, install_peer, run_uv

__all__ = ["extra_python", "peer_python"]


def peer_python(name: str) -> Path:
    """The Python of a peer of `benchmarks/peers.toml`. Where it can't be installed the test is skipped; in CI it fails."""
    try:
        with alone():
            return install_peer(name).python
    except PeerUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{name} {error}")


def extra_python(extra: str, *more: str) -> Path:
    """The Python of an environment that has this checkout with one of its extras, and more, as a user would install it."""
    place = BENCH_FOLDER / "-".join(["tasuki", extra, *(requirement.partition("=")[0] for requirement in more)])
    python, stamp = place / "bin" / "python", place / "installed"
    wanted = (ROOT / "pyproject.toml").read_text()
    with alone():
        if not stamp.exists() or stamp.read_text() != wanted:
            try:
                run_uv("venv", "--quiet", "--clear", "--python", sys.executable, str(place))
                run_uv("pip", "install", "--quiet", "--python", str(python), "--editable", f"{ROOT}[{extra}]", *more)
            except PeerUnavailable as error:
                if os.environ.get("CI"):
                    raise
                pytest.skip(f"tasuki[{extra}] {error}")
            stamp.write_text(wanted)
    return python


@contextmanager
def alone() -> Iterator[None]:
    """Only one process of the tests makes an environment at a time."""
    BENCH_FOLDER.mkdir(exist_ok=True)
    with (BENCH_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
