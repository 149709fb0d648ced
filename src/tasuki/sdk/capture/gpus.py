"""NVIDIA's GPUs, asked through the library that comes with the driver (docs.nvidia.com/deploy/nvml-api)."""

from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["DRIVER", "LIBRARY", "Gpus", "find_gpus"]

DRIVER = Path("/proc/driver/nvidia/version")
LIBRARY = "libnvidia-ml.so.1"
OK = 0
CORE_TEMPERATURE = 0


class Gpus:
    """The library, loaded. OSError, AttributeError where it is none."""

    def __init__(self, library: str = LIBRARY) -> None:
        import ctypes  # only where there is a driver: it takes a megabyte

        self.c = ctypes
        self.nvml = ctypes.CDLL(library)
        if self.nvml.nvmlInit_v2() != OK:
            raise OSError(f"{library} can't reach the driver")
        count = ctypes.c_uint()
        self.nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
        self.handles = [handle for place in range(count.value) if (handle := self.handle(place)) is not None]

    def handle(self, place: int) -> Any:
        """One GPU, as the library calls it; None where it can't be looked at."""
        handle = self.c.c_void_p()
        done = self.nvml.nvmlDeviceGetHandleByIndex_v2(self.c.c_uint(place), self.c.byref(handle))
        return handle if done == OK else None

    def sample(self) -> dict[str, float]:
        """Percent of use and of memory, degrees Celsius and watts, by name."""
        found: dict[str, float] = {}
        for place, handle in enumerate(self.handles):
            of_one = self.use(handle) | self.memory(handle) | self.number(handle)
            found |= {f"system/gpu{place}/{name}": value for name, value in of_one.items()}
        return found

    def use(self, handle: Any) -> dict[str, float]:
        """How busy it was of late."""
        rates = (self.c.c_uint * 2)()  # of the GPU, of its memory
        done = self.nvml.nvmlDeviceGetUtilizationRates(handle, self.c.byref(rates))
        return {"use_percent": float(rates[0])} if done == OK else {}

    def memory(self, handle: Any) -> dict[str, float]:
        """How much of its memory is taken."""
        sizes = (self.c.c_ulonglong * 3)()  # total, free, used
        done = self.nvml.nvmlDeviceGetMemoryInfo(handle, self.c.byref(sizes))
        return {"memory_percent": 100 * sizes[2] / sizes[0]} if done == OK and sizes[0] else {}

    def number(self, handle: Any) -> dict[str, float]:
        """Temperature and power."""
        found, value = {}, self.c.c_uint()
        if self.nvml.nvmlDeviceGetTemperature(handle, self.c.c_int(CORE_TEMPERATURE), self.c.byref(value)) == OK:
            found["celsius"] = float(value.value)
        if self.nvml.nvmlDeviceGetPowerUsage(handle, self.c.byref(value)) == OK:
            found["watts"] = value.value / 1000
        return found


def find_gpus() -> Gpus | None:
    """Those of this machine, if it has a driver for them."""
    if DRIVER.exists():
        with suppress(OSError, AttributeError):
            return Gpus()
    return None
