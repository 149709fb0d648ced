"""Separate a script's output from what login shells print: a mark before and after it.

<noise> \n <mark> begin \n  output of the script  \n <mark> end <exit code> \n <noise>
"""

import re
import secrets
import shlex
from typing import NamedTuple

__all__ = ["MarkedOutput", "OutputMarkers"]


class MarkedOutput(NamedTuple):
    """The output between the marks."""

    code: int
    output: bytes


class OutputMarkers:
    """Marks that nothing else prints: new for each call."""

    def __init__(self) -> None:
        self.marker = f"tasuki-{secrets.token_hex(8)}"
        self.begin_line = f"{self.marker} begin\n".encode()
        self.end_pattern = re.compile(rf"\n{self.marker} end (\d+)\n".encode())

    def wrap_script(self, body: str) -> str:
        """Wrap a script in marks. It is read whole before it runs, and its stdin is empty."""
        begin, end = f"printf '\\n%s begin\\n' {self.marker}", f"printf '\\n%s end %s\\n' {self.marker} $?"
        return f"{{ {begin}\n(\n{body}\n) </dev/null\n{end}; exit 0; }}\n"

    def wrap_command(self, body: str) -> str:
        """Wrap a command as one word for any login shell, with stdin for the body."""
        script = f"printf '\\n%s begin\\n' {self.marker}; ( {body} ); printf '\\n%s end %s\\n' {self.marker} $?"
        return f"sh -c {shlex.quote(script)}"

    def parse(self, printed: bytes) -> MarkedOutput | None:
        """Find the script's output and exit code; None if the end mark is missing."""
        _, begun, rest = printed.partition(self.begin_line)
        ends = list(self.end_pattern.finditer(rest)) if begun else []
        return MarkedOutput(int(ends[-1][1]), rest[: ends[-1].start()]) if ends else None
