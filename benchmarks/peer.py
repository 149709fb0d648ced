"""Peers: other trackers, each in a virtual environment of its own below `.bench/`, made when first asked for."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.child import ROOT, ChildFailed, ask, start
from benchmarks.machine import BENCH, folder
from benchmarks.workload import Kind

__all__ = ["OURS", "Peer", "PeerMissing", "peer", "peer_names", "trackers"]

LIST = ROOT / "benchmarks" / "peers.toml"
UV = ROOT / "tools" / "uv"
STAMP = "installed"
CHILD = "benchmarks.children.tracker"
LONGEST_SECONDS = 300
URL = re.compile(r"\S*://\S*")


class PeerMissing(RuntimeError):
    """The peer can't be installed or run here; the message says why."""


class Peer(NamedTuple):
    """A tracker that is installed: its Python, its environment, and how much it can be given to do in a bearable time."""

    name: str
    python: Path
    environment: Mapping[str, str]
    calls: int
    steps: int

    def ask(self, do: str, folder: Path, **more: Any) -> Any:
        """Have the tracker do something in its folder (`benchmarks/children/tracker.py`)."""
        return ask(CHILD, self.work(do, folder, more), python=self.python, extra=self.extra(folder))

    def start(self, do: str, folder: Path, **more: Any) -> "subprocess.Popen[str]":
        """Have it begin something."""
        return start(CHILD, self.work(do, folder, more), python=self.python, extra=self.extra(folder))

    def work(self, do: str, folder: Path, more: Mapping[str, Any]) -> dict[str, Any]:
        """The job."""
        return {"do": do, "tracker": self.name, "folder": str(folder), **more}

    def extra(self, folder: Path) -> dict[str, str]:
        """The environment for a folder."""
        return {name: value.format(folder=folder) for name, value in self.environment.items()}


OURS = Peer("tasuki", Path(sys.executable), {}, calls=100_000, steps=1_000_000)
"""tasuki itself, in the environment that measures."""


def peer_names() -> list[str]:
    """All peers."""
    return list(tomllib.loads(LIST.read_text(encoding="utf-8")))


def peer(name: str) -> Peer:
    """The peer, installed. PeerMissing if that can't be."""
    entry = tomllib.loads(LIST.read_text(encoding="utf-8"))[name]
    place = BENCH / name
    stamp = place / STAMP
    found = Peer(name, place / "bin" / "python", entry.get("environment", {}), entry["calls"], entry["steps"])
    wanted = "\n".join(entry["requirements"]) + "\n"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        uv("venv", "--quiet", "--clear", "--python", sys.executable, str(place))
        uv("pip", "install", "--quiet", "--python", str(found.python), *entry["requirements"])
        check(found)
        stamp.write_text(wanted, encoding="utf-8")
    return found


def trackers(names: Iterable[str]) -> tuple[list[Peer], dict[str, str]]:
    """Tasuki and the peers that are installed; why the others are not."""
    found, missing = [OURS], {}
    for name in names:
        try:
            found.append(peer(name))
        except PeerMissing as error:
            missing[name] = str(error)
    return found, missing


def check(tracker: Peer) -> None:
    """Record a little. PeerMissing if it can't be run here."""
    try:
        with folder() as path:
            tracker.ask("record", path, steps=10, kind=Kind.FLOAT64)
    except ChildFailed as error:
        raise PeerMissing(f"does not run here: {error.last_line}") from error


def uv(*arguments: str) -> None:
    """Run uv. PeerMissing if it fails."""
    try:
        subprocess.run([str(UV), *arguments], check=True, capture_output=True, text=True, cwd=ROOT, timeout=LONGEST_SECONDS)
    except subprocess.CalledProcessError as error:
        words = " ".join(URL.sub("the registry", error.stderr).replace("|", " ").split())
        raise PeerMissing(f"not installed: {words[:160]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"not installed: {type(error).__name__}") from error
