"""Default folders, and everything else that is read from the environment."""

import os
import pwd
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

__all__ = [
    "captured_environment",
    "default_folder",
    "failpoints",
    "hermes_home",
    "hugging_face_token",
    "job_environment",
    "own_variable",
    "this_user",
    "trackio_folder",
    "with_environment",
]


def default_folder() -> Path:
    """The platform's folder for a user's data."""
    return platformdirs.user_data_path("tasuki", appauthor=False)


def cache_folder() -> Path:
    """The platform's folder for what can be made again, on this machine."""
    return platformdirs.user_cache_path("tasuki", appauthor=False)


def hermes_home() -> Path:
    """Return the folder of the agent Hermes: `HERMES_HOME`, else `~/.hermes`."""
    return Path(os.environ.get("HERMES_HOME") or "~/.hermes").expanduser()


def trackio_folder() -> Path:
    """Return trackio's folder: `TRACKIO_DIR`, else the default below Hugging Face's cache."""
    named = os.environ.get("TRACKIO_DIR")
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface")
    return Path(named or home / "trackio").expanduser().absolute()


def hugging_face_token() -> str | None:
    """`HF_TOKEN`; it is shown to Hugging Face, and to no other."""
    return os.environ.get("HF_TOKEN") or None


def with_environment(**more: str) -> dict[str, str]:
    """This process's environment with some variables more, for a process that it starts."""
    return os.environ | more


def failpoints() -> str:
    """Return the failpoints of this process (docs/durability.md)."""
    return os.environ.get("TASUKI_FAILPOINTS", "")


def this_user() -> str:
    """Return the current user as `user@host`."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's users may have no name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


SCHEDULER_PREFIXES = ("SLURM_", "PBS_")
SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


def captured_environment() -> dict[str, Any]:
    """Return the environment that a run records: host and scheduler ids, without secrets."""
    scheduler = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(SCHEDULER_PREFIXES) and not any(word in name for word in SECRET_WORDS)
    }
    job = {"job": os.environ["TASUKI_JOB_ID"]} if os.environ.get("TASUKI_JOB_ID") else {}
    return {"host": socket.gethostname()} | job | ({"scheduler": scheduler} if scheduler else {})


def own_variable(name: str) -> str | None:
    """A variable of this environment that somebody has asked for by name."""
    return os.environ.get(name)


def job_environment(job: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a local job: this process's, the job's own, and its id."""
    return {**os.environ, **given, "TASUKI_JOB_ID": job}
