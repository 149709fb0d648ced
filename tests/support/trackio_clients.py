"""An unchanged trackio from PyPI as the client of a server: a process of its own that runs a user's script."""

import os
import subprocess
from pathlib import Path

from tests.support.peer_trackers import peer_python

__all__ = ["run_script", "trackio_environment"]

OURS = ("TASUKI_", "TRACKIO_", "GRADATA_", "PYTHON", "HF_")


def trackio_environment(url: str, folder: Path, token: str = "any") -> dict[str, str]:
    """What its user sets: the server and a token. It keeps what it could not send in the folder."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return others | {
        "TRACKIO_SERVER_URL": url, "TRACKIO_WRITE_TOKEN": token, "TRACKIO_DIR": str(folder), "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def run_script(script: str, url: str, folder: Path, token: str = "any") -> str:
    """Run a script to its end, which must be a success; what it said."""
    done = subprocess.run(
        [peer_python("trackio"), "-c", script],
        env=trackio_environment(url, folder, token),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
