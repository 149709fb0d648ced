"""The Modal function without Modal's cloud: its parts, with Modal's own package where one is needed."""

import json
import subprocess
from pathlib import Path

import pytest

from tasuki.errors import ConfigError
from tasuki.integrations import modal as ours
from tasuki.testing import FakeClock
from tests.support.journals import metrics, write_journal
from tests.support.peer_trackers import extra_python
from tests.support.remote_server import Server, records_at

DEFINES = """
import json, modal
from tasuki.integrations.modal import syncer
kept = {}
class App(modal.App):
    def function(self, **how):
        kept.update(how)
        made = super().function(**how)
        return made
app = App("training")
found = syncer(app, "experiments")
assert isinstance(found.function, modal.Function), found.function
print(json.dumps({
    "functions": sorted(app.registered_functions),
    "volumes": {mount: type(volume).__name__ for mount, volume in kept["volumes"].items()},
    "secrets": [type(secret).__name__ for secret in kept["secrets"]],
    "image": type(kept["image"]).__name__,
    "timeout": kept["timeout"],
    "seconds": found.seconds,
}))
"""


def test_it_can_be_imported_without_modal_and_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match="pip install modal"):
        ours.syncer(object(), "experiments")


def test_modal_takes_the_function_as_it_is() -> None:
    python = extra_python("trackio", "modal==1.6.4")
    done = subprocess.run([str(python), "-c", DEFINES], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "functions": ["sync_volume"],
        "volumes": {"/volume": "Volume"},
        "secrets": ["Secret"],
        "image": "Image",
        "timeout": 3600,
        "seconds": 3540,
    }


def test_its_rounds_reload_the_volume_and_end_by_themselves(tmp_path: Path) -> None:
    """An hour of the function, on a clock that is moved by sleeping."""
    volume, clock = tmp_path / "volume", FakeClock()
    (volume / "p").mkdir(parents=True)
    reloads: list[float] = []
    lines: list[str] = []
    with Server(tmp_path / "server") as server:

        def reload() -> None:
            reloads.append(clock.monotonic())
            if len(reloads) == 2:
                (volume / "remote").write_text(server.url)
            if len(reloads) == 100:
                write_journal(volume, [metrics(step) for step in range(7)])

        records = ours.run_rounds(
            str(volume), reload=reload, interval=30, seconds=3540, clock=clock, state=tmp_path / "syncer", say=lines.append
        )
        assert records_at(server) == records == 7
    assert len(reloads) == 3540 // 30 + 1
    assert reloads[-1] - reloads[0] == 3540
    assert lines[1:] == [f"[syncer] from {volume} to {server.url}", "[syncer] synced 'p'"]
