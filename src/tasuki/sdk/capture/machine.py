"""Sample load of the machine and this process from /proc.

No library is loaded into the training process.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.sdk.capture.gpus import Gpus, find_gpus

__all__ = ["Machine"]

PROC_FOLDER = Path("/proc")
MIB = 1024 * 1024
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class MachineCounters(NamedTuple):
    """Growing counters: seconds, process time, machine ticks, network bytes."""

    time: float
    process_seconds: float
    busy_ticks: int | None
    total_ticks: int | None
    received: int | None
    sent: int | None


class Machine:
    """Samples of usage between two calls. `folder`: its disk is sampled. Not thread-safe."""

    def __init__(self, folder: Path, *, proc: Path = PROC_FOLDER, gpus: Gpus | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self.folder = folder
        self.proc = proc
        self.clock = clock
        self.gpus = gpus or find_gpus()
        self.previous = self.read_counters()

    def sample(self) -> dict[str, float]:
        """Percent, MiB, GiB and MiB a second, by name; what this system does not tell is not in it."""
        before, self.previous = self.previous, self.read_counters()
        now, found = self.previous, dict[str, float]()
        seconds = max(now.time - before.time, 1e-6)
        found["system/process/cpu_percent"] = 100 * (now.process_seconds - before.process_seconds) / seconds
        if (
            None not in (now.busy_ticks, now.total_ticks, before.busy_ticks, before.total_ticks)
            and now.total_ticks != before.total_ticks
        ):
            found["system/cpu_percent"] = (
                100 * ((now.busy_ticks or 0) - (before.busy_ticks or 0)) / ((now.total_ticks or 0) - (before.total_ticks or 0))
            )
        for name in ("received", "sent"):
            if None not in (new := getattr(now, name), old := getattr(before, name)):
                found[f"system/network/{name}_mib_per_s"] = max(0, new - old) / MIB / seconds
        found |= self.sample_memory()
        with suppress(OSError):
            disk = os.statvfs(self.folder)
            found["system/disk/free_gib"] = disk.f_bavail * disk.f_frsize / MIB / 1024
        return found | (self.gpus.sample() if self.gpus else {})

    def read_counters(self) -> MachineCounters:
        """As they are now."""
        times = os.times()
        busy = ticks = received = sent = None
        with suppress(OSError, ValueError):
            parts = [int(part) for part in self.read_proc_file("stat").split("\n", 1)[0].split()[1:9]]
            ticks, busy = sum(parts), sum(parts) - parts[3] - parts[4]
        with suppress(OSError, ValueError):
            lines = [line.split(":", 1) for line in self.read_proc_file("net/dev").splitlines()[2:]]
            rows = [numbers.split() for name, numbers in lines if name.strip() != "lo"]
            received, sent = sum(int(row[0]) for row in rows), sum(int(row[8]) for row in rows)
        return MachineCounters(self.clock.monotonic(), times.user + times.system, busy, ticks, received, sent)

    def sample_memory(self) -> dict[str, float]:
        """Of the machine, and of this process."""
        found = {}
        with suppress(OSError, ValueError, KeyError):
            lines = dict(line.split(":", 1) for line in self.read_proc_file("meminfo").splitlines())
            total, free = (int(lines[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
            found["system/memory_percent"] = 100 * (total - free) / total
        with suppress(OSError, ValueError):
            found["system/process/memory_mib"] = int(self.read_proc_file("self/statm").split()[1]) * PAGE_BYTES / MIB
        return found

    def read_proc_file(self, name: str) -> str:
        """One of the system's files."""
        return (self.proc / name).read_text()
