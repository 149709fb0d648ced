"""Fakes that ship with tasuki, for its tests and for yours: a clock, a store in memory, runs made in one line."""

from tasuki.testing.clock import FakeClock
from tasuki.testing.memory import MemoryStore

__all__ = ["FakeClock", "MemoryStore"]
