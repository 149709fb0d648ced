"""What a run notes by itself: where it runs, of which code, and how busy the machine is meanwhile."""

import platform
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasuki.sdk.capture.git import Checkout, find_checkout
from tasuki.sdk.capture.redact import redacted_arguments
from tasuki.settings import captured_environment

__all__ = ["checkout_here", "environment_of", "keep_diff"]


def environment_of(checkout: Checkout | None) -> dict[str, Any]:
    """Host, scheduler ids, Python, arguments, commit."""
    found = captured_environment() | {"python": platform.python_version(), "argv": redacted_arguments(sys.argv)}
    return found | ({"git": head} if checkout and (head := checkout.head()) else {})


def checkout_here() -> Checkout | None:
    """The working tree that this process is in."""
    try:
        return find_checkout(Path.cwd())
    except OSError:  # the folder is gone
        return None


def keep_diff(checkout: Checkout, keep: Callable[[str], None]) -> threading.Thread:
    """Ask for the uncommitted changes in the background; where there are any, they are to be kept."""

    def ask() -> None:
        text = checkout.diff()
        if text:
            keep(text)

    thread = threading.Thread(target=ask, name="tasuki-git", daemon=True)
    thread.start()
    return thread
