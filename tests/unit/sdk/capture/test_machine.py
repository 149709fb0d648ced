import subprocess
from pathlib import Path

import pytest

from tasuki.sdk.capture.gpus import Gpus
from tasuki.sdk.capture.machine import Machine
from tasuki.testing import FakeClock

NVML = """
typedef void *Device;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, Device *d) { *d = (Device)(long)(i + 1); return i > 1; }
int nvmlDeviceGetUtilizationRates(Device d, unsigned *r) { r[0] = 90 + (long)d; r[1] = 5; return 0; }
int nvmlDeviceGetMemoryInfo(Device d, unsigned long long *m) { m[0] = 80; m[1] = 60; m[2] = 20; return 0; }
int nvmlDeviceGetTemperature(Device d, int sensor, unsigned *t) { *t = 61; return 0; }
int nvmlDeviceGetPowerUsage(Device d, unsigned *p) { *p = 250500; return (long)d == 2; }
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """What Linux says of itself (proc(5))."""
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "net").mkdir()
    (folder / "self/statm").write_text("9000 2560 1000 1 0 2000 0\n")
    (folder / "meminfo").write_text("MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\n")
    counts(folder, busy=100, idle=100, received=0)
    return folder


def counts(folder: Path, *, busy: int, idle: int, received: int) -> None:
    (folder / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3\n")
    lo, eth0 = "999 0 0 0 0 0 0 0 999 0", f"{received} 0 0 0 0 0 0 0 {received // 2} 0"
    (folder / "net/dev").write_text(f"Inter-|   Receive\n face |bytes\n    lo: {lo}\n  eth0: {eth0}\n")


def test_a_sample_says_what_was_used_since_the_one_before(proc: Path, tmp_path: Path):
    clock = FakeClock()
    machine = Machine(tmp_path, proc=proc, clock=clock)
    clock.sleep(10)
    counts(proc, busy=175, idle=125, received=20 * 1024 * 1024)
    found = machine.sample()
    assert found["system/cpu_percent"] == 75
    assert (found["system/network/received_mib_per_s"], found["system/network/sent_mib_per_s"]) == (2, 1)
    assert (found["system/memory_percent"], found["system/process/memory_mib"]) == (75, 10)
    assert found["system/disk/free_gib"] > 0
    assert found["system/process/cpu_percent"] >= 0


def test_what_a_system_does_not_tell_is_left_out(tmp_path: Path):
    machine = Machine(tmp_path, proc=tmp_path / "nothing", clock=FakeClock())
    assert set(machine.sample()) == {"system/process/cpu_percent", "system/disk/free_gib"}


def test_gpus_are_asked_through_the_drivers_library(tmp_path: Path):
    source, library = tmp_path / "nvml.c", tmp_path / "libnvidia-ml.so.1"
    source.write_text(NVML)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    assert Gpus(str(library)).sample() == {
        "system/gpu0/use_percent": 91, "system/gpu0/memory_percent": 25, "system/gpu0/celsius": 61, "system/gpu0/watts": 250.5,
        "system/gpu1/use_percent": 92, "system/gpu1/memory_percent": 25, "system/gpu1/celsius": 61,
    }  # fmt: skip
    with pytest.raises(OSError, match="nothing"):
        Gpus(str(tmp_path / "nothing"))
