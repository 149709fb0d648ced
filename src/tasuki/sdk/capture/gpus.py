"""Sample NVIDIA GPUs through the driver's own library (docs.nvidia.com/deploy/nvml-api)."""

from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["DRIVER_FILE", "NVML_LIBRARY", "Gpus", "find_gpus"]

DRIVER_FILE = Path("/proc/driver/nvidia/version")
NVML_LIBRARY = "libnvidia-ml.so.1"
NVML_SUCCESS = 0
NVML_TEMPERATURE_GPU = 0


class Gpus:
    """The library, loaded. OSError, AttributeError where it is none."""

    def __init__(self, library: str = NVML_LIBRARY) -> None:
        import ctypes  # only where there is a driver: it takes a megabyte

        self.ctypes = ctypes
        self.nvml = ctypes.CDLL(library)
        if self.nvml.nvmlInit_v2() != NVML_SUCCESS:
            raise OSError(f"{library} can't reach the driver")
        count = ctypes.c_uint()
        self.nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
        self.handles = [handle for place in range(count.value) if (handle := self.open_handle(place)) is not None]

    def open_handle(self, index: int) -> Any:
        """One GPU, as the library calls it; None where it can't be looked at."""
        handle = self.ctypes.c_void_p()
        done = self.nvml.nvmlDeviceGetHandleByIndex_v2(self.ctypes.c_uint(index), self.ctypes.byref(handle))
        return handle if done == NVML_SUCCESS else None

    def sample(self) -> dict[str, float]:
        """Percent of use and of memory, degrees Celsius and watts, by name."""
        found: dict[str, float] = {}
        for place, handle in enumerate(self.handles):
            of_one = self.sample_utilization(handle) | self.sample_memory(handle) | self.sample_temperature_and_power(handle)
            found |= {f"system/gpu{place}/{name}": value for name, value in of_one.items()}
        return found

    def sample_utilization(self, handle: Any) -> dict[str, float]:
        """Sample the recent utilization."""
        rates = (self.ctypes.c_uint * 2)()  # of the GPU, of its memory
        done = self.nvml.nvmlDeviceGetUtilizationRates(handle, self.ctypes.byref(rates))
        return {"use_percent": float(rates[0])} if done == NVML_SUCCESS else {}

    def sample_memory(self, handle: Any) -> dict[str, float]:
        """Sample the memory in use."""
        sizes = (self.ctypes.c_ulonglong * 3)()  # total, free, used
        done = self.nvml.nvmlDeviceGetMemoryInfo(handle, self.ctypes.byref(sizes))
        return {"memory_percent": 100 * sizes[2] / sizes[0]} if done == NVML_SUCCESS and sizes[0] else {}

    def sample_temperature_and_power(self, handle: Any) -> dict[str, float]:
        """Temperature and power."""
        found, value = {}, self.ctypes.c_uint()
        if (
            self.nvml.nvmlDeviceGetTemperature(handle, self.ctypes.c_int(NVML_TEMPERATURE_GPU), self.ctypes.byref(value))
            == NVML_SUCCESS
        ):
            found["celsius"] = float(value.value)
        if self.nvml.nvmlDeviceGetPowerUsage(handle, self.ctypes.byref(value)) == NVML_SUCCESS:
            found["watts"] = value.value / 1000
        return found


def find_gpus() -> Gpus | None:
    """Find the GPUs of this machine; None without a driver."""
    if DRIVER_FILE.exists():
        with suppress(OSError, AttributeError):
            return Gpus()
    return None
