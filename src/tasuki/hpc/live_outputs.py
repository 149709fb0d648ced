"""Read growing outputs of jobs.

What is new after the stored bytes, for any number of files, in one command.
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["OUTPUTS_MARKER", "STDOUT_FILE", "OutputPiece", "WatchedAttempt", "build_outputs_script", "parse_outputs"]

STDOUT_FILE = "stdout.txt"
OUTPUTS_MARKER = b"outputs\n"
MAX_PIECE_BYTES = 1 << 20
MAX_RESPONSE_BYTES = 8 << 20
"""So much of a file, and of all files, comes at a time at most."""
OUTPUT_FUNCTION = f"""
echo outputs
left={MAX_RESPONSE_BYTES}
output() {{ # output JOB ATTEMPT NAME OFFSET: of that attempt alone, which writes into the folder of those before it
    file=jobs/$1/$3 begun=started/$1.$2/sid
    [ -f "$file" ] && [ -e "$begun" ] && [ ! -e "started/$1.$(($2 + 1))/sid" ] || return 0
    [ "$3" = {STDOUT_FILE} ] || [ -n "$(find "$file" -newer "$begun")" ] || return 0
    size=$(($(wc -c <"$file")))
    more=$((size - $4))
    [ $more -gt 0 ] || more=0
    [ $more -le {MAX_PIECE_BYTES} ] || more={MAX_PIECE_BYTES}
    [ $more -le $left ] || more=$left
    left=$((left - more))
    echo "$1 $2 $3 $4 $size $more"
    [ $more -eq 0 ] || tail -c "+$(($4 + 1))" "$file" | head -c $more
    echo
}}
"""


class WatchedAttempt(NamedTuple):
    """An attempt, and how many bytes of each of its outputs are stored here."""

    job: str
    attempt: int
    offsets: Mapping[str, int]


class OutputPiece(NamedTuple):
    """Bytes of an output from an offset; `size` is its current size."""

    job: str
    attempt: int
    name: str
    offset: int
    size: int
    data: bytes


def build_outputs_script(watched_attempts: Iterable[WatchedAttempt]) -> str:
    """Build the lines that print new output; they run in the agent's folder."""
    calls = [
        f"output {shlex.quote(one.job)} {one.attempt} {shlex.quote(name)} {offset}"
        for one in watched_attempts
        for name, offset in one.offsets.items()
    ]
    return "\n".join([OUTPUT_FUNCTION, *calls]) if calls else ""


def parse_outputs(text: bytes) -> list[OutputPiece]:
    """Parse the printed pieces; stop at a file that was truncated meanwhile."""
    found: list[OutputPiece] = []
    place = 0
    while (end := text.find(b"\n", place)) >= 0:
        words = text[place:end].decode(errors="replace").split(" ")
        if len(words) != 6 or not all(word.isdecimal() for word in (words[1], *words[3:])):
            break
        job, attempt, name, offset, size, more = words
        begin, place = end + 1, end + 1 + int(more) + 1
        if text[place - 1 : place] != b"\n":
            break
        found.append(OutputPiece(job, int(attempt), name, int(offset), int(size), text[begin : place - 1]))
    return found
