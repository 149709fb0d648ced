"""Records a little with a released trackio, and prints its database as SQL: `python record.py > VERSION.sql`.

Run by the Python of an environment with `trackio==VERSION` from PyPI, TRACKIO_DIR and HF_HOME (for versions that know no
TRACKIO_DIR) an empty folder. What is recorded is the same for each, as far as the version can: two runs, three steps each, NaN,
nesting, and with the versions that have them a system metric and two alerts.
"""

import os
import sqlite3
import sys
from pathlib import Path

import trackio
from trackio.utils import TRACKIO_DIR


def record() -> None:
    for name in ("first", "second"):
        trackio.init(project="seen", name=name, config={"lr": 0.1, "layers": [1, 2], "long": {"name": name}})
        for step in range(3):
            trackio.log({"loss": 1 / (step + 1), "odd": float("nan"), "whole": step, "deep": {"er": 2.5}})
        if hasattr(trackio, "log_system"):
            trackio.log_system({"gpu": 0.5, "temperature": 60})
        if hasattr(trackio, "alert"):
            trackio.alert("first alert", text="with text", level=trackio.AlertLevel.ERROR)
            trackio.alert("second alert")
        trackio.finish()


def dump() -> None:
    connection = sqlite3.connect(Path(TRACKIO_DIR) / "seen.db")
    ((user_version,),) = connection.execute("PRAGMA user_version")
    lines = [f"-- {trackio.__version__}; user_version {user_version}", *connection.iterdump()]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    printed, sys.stdout = sys.stdout, sys.stderr
    record()
    sys.stdout = printed
    dump()
    sys.stdout.flush()
    os._exit(0)  # some versions say things at the end
