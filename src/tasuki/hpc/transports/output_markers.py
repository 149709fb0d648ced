"""What a script prints, told apart from what a login prints: shells and sites greet on stdout when they like.

<noise> \\n <mark> begin \\n  output of the script  \\n <mark> end <exit code> \\n <noise>
"""

import re
import secrets
import shlex
from typing import NamedTuple

__all__ = ["MarkedOutput", "OutputMarkers"]


class MarkedOutput(NamedTuple):
    """What was between the marks."""

    code: int
    output: bytes


class OutputMarkers:
    """Marks that nothing else prints: made for one call."""

    def __init__(self) -> None:
        self.mark = f"tasuki-{secrets.token_hex(8)}"
        self.begin = f"{self.mark} begin\n".encode()
        self.end = re.compile(rf"\n{self.mark} end (\d+)\n".encode())

    def script(self, body: str) -> str:
        """The body between marks. The whole is read before any of it runs, and it finds nothing on stdin."""
        begin, end = f"printf '\\n%s begin\\n' {self.mark}", f"printf '\\n%s end %s\\n' {self.mark} $?"
        return f"{{ {begin}\n(\n{body}\n) </dev/null\n{end}; exit 0; }}\n"

    def command(self, body: str) -> str:
        """The same as one word for a login shell of any kind, with stdin for the body."""
        script = f"printf '\\n%s begin\\n' {self.mark}; ( {body} ); printf '\\n%s end %s\\n' {self.mark} $?"
        return f"sh -c {shlex.quote(script)}"

    def found(self, printed: bytes) -> MarkedOutput | None:
        """The body's output, and its exit code; None where an end is missing."""
        _, begun, rest = printed.partition(self.begin)
        ends = list(self.end.finditer(rest)) if begun else []
        return MarkedOutput(int(ends[-1][1]), rest[: ends[-1].start()]) if ends else None
