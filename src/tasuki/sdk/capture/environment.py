"""Capture the environment of a run: host, git checkout, and start of the diff thread."""

import platform
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasuki.sdk.capture.git import Checkout, find_checkout
from tasuki.sdk.capture.redact import redact_arguments
from tasuki.settings import captured_environment

__all__ = ["describe_environment", "find_current_checkout", "start_diff_thread"]


def describe_environment(checkout: Checkout | None) -> dict[str, Any]:
    """Host, scheduler ids, Python, arguments, commit."""
    found = captured_environment() | {"python": platform.python_version(), "argv": redact_arguments(sys.argv)}
    return found | ({"git": head} if checkout and (head := checkout.read_head()) else {})


def find_current_checkout() -> Checkout | None:
    """The working tree that this process is in."""
    try:
        return find_checkout(Path.cwd())
    except OSError:  # the folder is gone
        return None


def start_diff_thread(checkout: Checkout, on_diff: Callable[[str], None]) -> threading.Thread:
    """Ask for the uncommitted changes in the background; where there are any, they are to be kept."""

    def read_diff() -> None:
        text = checkout.read_diff()
        if text:
            on_diff(text)

    thread = threading.Thread(target=read_diff, name="tasuki-git", daemon=True)
    thread.start()
    return thread
