"""Where and with what was measured, and a folder for what measuring leaves behind."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import psutil

from benchmarks.child import ROOT

__all__ = ["BENCH_FOLDER", "LoadMeter", "collect_machine_facts", "temporary_folder"]

BENCH_FOLDER = ROOT / ".bench"
LIBRARIES = ("msgspec", "apsw", "numpy", "zstandard")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder on the repository's file system, removed afterwards."""
    BENCH_FOLDER.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="run-", dir=BENCH_FOLDER))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def collect_machine_facts() -> dict[str, str]:
    """The machine and the versions."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    memory = psutil.virtual_memory().total / 2**30
    return {
        "machine": f"{get_processor_name()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {get_file_system()} below the repository",
        "Python": f"{platform.python_implementation()} {platform.python_version()}, {describe_build()}",
        "tasuki": f"{importlib.metadata.version('tasuki')}, commit {describe_commit()}",
        "libraries": f"{versions}, SQLite {apsw.sqlite_lib_version()}",
    }


def describe_build() -> str:
    """How the interpreter was compiled: it changes what a call costs."""
    optimized = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return "built with profile-guided optimization" if optimized else "built without profile-guided optimization"


def get_processor_name() -> str:
    """The processor's name, as the system has it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def get_file_system() -> str:
    """The type of the file system that is measured on."""
    kinds = {place.mountpoint: place.fstype for place in psutil.disk_partitions(all=True)}
    return next((kinds[str(path)] for path in (ROOT, *ROOT.parents) if str(path) in kinds), "an unknown file system")


def describe_commit() -> str:
    """The commit that is checked out, and whether the code differs from it."""
    try:
        name = run_git("rev-parse", "--short", "HEAD")
        changed = run_git("status", "--porcelain", "--", "src")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name} with changes" if changed else name


def run_git(*arguments: str) -> str:
    """What git says."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class LoadMeter:
    """How busy the machine was with anything but this measuring, from here to `share()`."""

    def __init__(self) -> None:
        self.busy_seconds, self.total_seconds, self.own_seconds = self.read_seconds()

    def read_seconds(self) -> tuple[float, float, float]:
        """Seconds of all cores that were not idle, all seconds, and those of this process and of its children that have ended."""
        cpu = psutil.cpu_times()
        whole = sum(cpu[: len(cpu) - 2]) if platform.system() == "Linux" else sum(cpu)
        own = sum(os.times()[:4])
        return whole - cpu.idle - getattr(cpu, "iowait", 0.0), whole, own

    def compute_other_share(self) -> float:
        """The part of all cores' time that went elsewhere."""
        busy, whole, own = self.read_seconds()
        return max(0.0, busy - self.busy_seconds - (own - self.own_seconds)) / max(whole - self.total_seconds, 1e-9)
