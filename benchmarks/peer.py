"""Peers: other trackers, each in a virtual environment of its own below `.bench/`, made when first asked for."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.child import ROOT, ChildFailed, run_child, start_child
from benchmarks.machine import BENCH_FOLDER, temporary_folder
from benchmarks.workload import Precision

__all__ = ["OURS", "Peer", "PeerUnavailable", "install_peer", "install_trackers", "list_peer_names"]

PEERS_FILE = ROOT / "benchmarks" / "peers.toml"
UV_SCRIPT = ROOT / "tools" / "uv"
STAMP_NAME = "installed"
CHILD_MODULE = "benchmarks.children.tracker"
TIMEOUT_SECONDS = 300
URL = re.compile(r"\S*://\S*")


class PeerUnavailable(RuntimeError):
    """The peer can't be installed or run here; the message says why."""


class Peer(NamedTuple):
    """A tracker that is installed: its Python, its environment, and how much it can be given to do in a bearable time."""

    name: str
    python: Path
    environment: Mapping[str, str]
    calls: int
    steps: int

    def run(self, do: str, folder: Path, **options: Any) -> Any:
        """Have the tracker do something in its folder (`benchmarks/children/tracker.py`)."""
        return run_child(
            CHILD_MODULE, self.build_job(do, folder, options), python=self.python, variables=self.build_variables(folder)
        )

    def start(self, do: str, folder: Path, **options: Any) -> "subprocess.Popen[str]":
        """Have it begin something."""
        return start_child(
            CHILD_MODULE, self.build_job(do, folder, options), python=self.python, variables=self.build_variables(folder)
        )

    def build_job(self, do: str, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """The job."""
        return {"do": do, "tracker": self.name, "folder": str(folder), **options}

    def build_variables(self, folder: Path) -> dict[str, str]:
        """The environment for a folder."""
        return {name: value.format(folder=folder) for name, value in self.environment.items()}


OURS = Peer("tasuki", Path(sys.executable), {}, calls=100_000, steps=1_000_000)
"""tasuki itself, in the environment that measures."""


def list_peer_names() -> list[str]:
    """All peers."""
    return list(tomllib.loads(PEERS_FILE.read_text(encoding="utf-8")))


def install_peer(name: str) -> Peer:
    """The peer, installed. PeerUnavailable if that can't be."""
    entry = tomllib.loads(PEERS_FILE.read_text(encoding="utf-8"))[name]
    place = BENCH_FOLDER / name
    stamp = place / STAMP_NAME
    found = Peer(name, place / "bin" / "python", entry.get("environment", {}), entry["calls"], entry["steps"])
    wanted = "\n".join(entry["requirements"]) + "\n"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        run_uv("venv", "--quiet", "--clear", "--python", sys.executable, str(place))
        run_uv("pip", "install", "--quiet", "--python", str(found.python), *entry["requirements"])
        check_peer(found)
        stamp.write_text(wanted, encoding="utf-8")
    return found


def install_trackers(names: Iterable[str]) -> tuple[list[Peer], dict[str, str]]:
    """Tasuki and the peers that are installed; why the others are not."""
    found, missing = [OURS], {}
    for name in names:
        try:
            found.append(install_peer(name))
        except PeerUnavailable as error:
            missing[name] = str(error)
    return found, missing


def check_peer(tracker: Peer) -> None:
    """Record a little. PeerUnavailable if it can't be run here."""
    try:
        with temporary_folder() as path:
            tracker.run("record", path, steps=10, kind=Precision.FLOAT64)
    except ChildFailed as error:
        raise PeerUnavailable(f"does not run here: {error.last_line}") from error


def run_uv(*arguments: str) -> None:
    """Run uv. PeerUnavailable if it fails."""
    try:
        subprocess.run([str(UV_SCRIPT), *arguments], check=True, capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT_SECONDS)
    except subprocess.CalledProcessError as error:
        words = " ".join(URL.sub("the registry", error.stderr).replace("|", " ").split())
        raise PeerUnavailable(f"not installed: {words[:160]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailable(f"not installed: {type(error).__name__}") from error
