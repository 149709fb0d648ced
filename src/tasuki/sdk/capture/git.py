"""Git checkout: the commit, read from git's files; the uncommitted changes, from a git process."""

import os
import select
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM_CLOCK
from tasuki.sdk.capture.redact import redact_text

__all__ = ["Checkout", "find_checkout"]

MAX_DIFF_BYTES = 100_000
DIFF_TIMEOUT_SECONDS = 5.0
READ_BYTES = 65_536
DIFF_COMMAND = ["git", "--no-optional-locks", "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD"]


class Checkout(NamedTuple):
    """A working tree, and the folder in which git keeps what belongs to it."""

    root: Path
    git_folder: Path

    def read_head(self) -> dict[str, str]:
        """The commit, and the branch if there is one: without a process, in a tenth of a millisecond."""
        try:
            head = (self.git_folder / "HEAD").read_text().strip()
            if not head.startswith("ref: "):
                return {"commit": head}
            ref = head.removeprefix("ref: ")
            commit = self.resolve_commit(ref)
        except (OSError, UnicodeDecodeError):
            return {}
        return {"branch": ref.removeprefix("refs/heads/")} | ({"commit": commit} if commit else {})

    def resolve_commit(self, ref: str) -> str | None:
        """The commit that a name stands for; None where nothing is committed yet."""
        common = self.git_folder
        with suppress(FileNotFoundError):  # a further working tree shares the names
            common = self.git_folder / (self.git_folder / "commondir").read_text().strip()
        for folder in (self.git_folder, common):
            with suppress(FileNotFoundError):
                return (folder / ref).read_text().strip()
        with suppress(FileNotFoundError):
            for line in (common / "packed-refs").read_text().splitlines():
                if line.endswith(f" {ref}"):
                    return line.partition(" ")[0]
        return None

    def read_diff(self) -> str:
        """Return the uncommitted changes without secrets, up to a limit; empty if git takes too long."""
        try:
            process = subprocess.Popen(
                DIFF_COMMAND, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:  # there is no git
            return ""
        with process:
            assert process.stdout is not None
            data = read_within(process.stdout.fileno(), MAX_DIFF_BYTES + 1, DIFF_TIMEOUT_SECONDS)
            process.kill()
        text = redact_text(data[:MAX_DIFF_BYTES].decode(errors="replace"))
        return f"{text}\n(cut: the changes are longer)\n" if len(data) > MAX_DIFF_BYTES else text


def read_within(descriptor: int, limit_bytes: int, timeout_seconds: float) -> bytes:
    """Read until the end or the limit; empty if the deadline comes first."""
    deadline = SYSTEM_CLOCK.monotonic() + timeout_seconds
    data = b""
    while len(data) < limit_bytes:
        left = deadline - SYSTEM_CLOCK.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return b""
        part = os.read(descriptor, min(READ_BYTES, limit_bytes - len(data)))
        if not part:
            break
        data += part
    return data


def find_checkout(folder: Path) -> Checkout | None:
    """The working tree that a folder is in."""
    for root in (folder, *folder.parents):
        path = root / ".git"
        with suppress(OSError):
            if path.is_dir():
                return Checkout(root, path)
            if path.is_file():
                return Checkout(root, root / path.read_text().strip().removeprefix("gitdir: "))
    return None
