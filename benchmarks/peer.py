"""Peers: other trackers, each in a virtual environment of its own below `.bench/`, made when first asked for."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from benchmarks.child import ROOT
from benchmarks.machine import BENCH

__all__ = ["OURS", "Peer", "PeerMissing", "peer"]

LIST = ROOT / "benchmarks" / "peers.toml"
UV = ROOT / "tools" / "uv"
STAMP = "installed"
LONGEST_SECONDS = 300
URL = re.compile(r"\S*://\S*")


class PeerMissing(RuntimeError):
    """The peer can't be installed here; the message says why."""


class Peer(NamedTuple):
    """A peer that is installed: its Python, and what was asked for."""

    name: str
    python: Path
    requirements: tuple[str, ...]

    @property
    def adapter(self) -> str:
        """The module that does the peer's part."""
        return f"benchmarks.adapters.{self.name}"


OURS = Peer("tasuki", Path(sys.executable), ())
"""tasuki itself, in the environment that measures."""


def peer(name: str) -> Peer:
    """The peer, installed. PeerMissing if that can't be."""
    requirements = tuple(tomllib.loads(LIST.read_text(encoding="utf-8"))[name]["requirements"])
    place = BENCH / name
    stamp = place / STAMP
    found = Peer(name, place / "bin" / "python", requirements)
    wanted = "\n".join(requirements) + "\n"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        uv("venv", "--quiet", "--clear", "--python", sys.executable, str(place))
        uv("pip", "install", "--quiet", "--python", str(found.python), *requirements)
        stamp.write_text(wanted, encoding="utf-8")
    return found


def uv(*arguments: str) -> None:
    """Run uv. PeerMissing if it fails."""
    try:
        subprocess.run([str(UV), *arguments], check=True, capture_output=True, text=True, cwd=ROOT, timeout=LONGEST_SECONDS)
    except subprocess.CalledProcessError as error:
        words = " ".join(URL.sub("the registry", error.stderr).replace("|", " ").split())
        raise PeerMissing(f"not installed: {words[:160]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"not installed: {type(error).__name__}") from error
