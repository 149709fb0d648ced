"""Fakes for tests, tasuki's and yours: clock, in-memory store, failing network, Replicate.

Failpoints in a process are set by its environment, `TASUKI_FAILPOINTS` (`tasuki.failpoints`).
"""

from tasuki.testing.clock import FakeClock
from tasuki.testing.fake_replicate import FakeReplicate
from tasuki.testing.fault_proxy import Fault, FaultProxy
from tasuki.testing.reference_store.memory_store import MemoryStore

__all__ = ["FakeClock", "FakeReplicate", "Fault", "FaultProxy", "MemoryStore"]
