"""What all tests share: a clean environment, a data folder of their own, no run left open by the test before."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.soak import SOAK

OURS = ("TASUKI_", "TRACKIO_", "GRADATA_", "SIMPLETUNER_", "HF_TOKEN", "REPLICATE_API_TOKEN")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a job in the background inherits it, and what tests start, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

QUIET = {"TASUKI_CAPTURE_GIT": "0", "TASUKI_SYSTEM_METRICS": "0"}
"""A run that is under test records what the test says, and nothing by itself."""
os.environ.update(QUIET)

settings.register_profile("quick", max_examples=50, derandomize=True, deadline=None, database=None)
settings.register_profile("soak", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("soak" if SOAK else "quick")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that the person who runs the tests has set for tasuki, here or in the processes that tests start."""
    for name in os.environ:
        if name.startswith(OURS) and name not in QUIET:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_open_runs() -> Iterator[None]:
    """Every run that a test leaves open is finished, and the background threads stopped."""
    yield
    if module := sys.modules.get("tasuki.sdk.process_state"):
        process = module.PROCESS
        for run in list(process.open_runs):
            run.finish()
        process.current_run = process.watched_run = None
        process.maintenance_thread.stop()
        for relay in process.relays.values():
            relay.stop()
            relay.join(1)
        process.relays.clear()
        process.journal_paths.clear()
        process.remote_settings.clear()


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, the one that TASUKI_DIR names."""
    folder = tmp_path / "data"
    monkeypatch.setenv("TASUKI_DIR", str(folder))
    return folder


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """An empty folder, as a shared volume."""
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder
