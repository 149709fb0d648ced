"""Alerts delivered to a target: a file of lines `writer offset`, appended as alerts are delivered.

An alert is a place in a writer's stream, and a writer's alerts are delivered in their order: the highest offset of each says it
all. The alerts themselves are in the store; this is all that has to survive.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from tasuki.atomic_files import replace_file
from tasuki.records import AlertRow

__all__ = ["DeliveryLog"]

MIN_LINES_TO_COMPACT = 1000


class DeliveryLog:
    """The delivery log of one target. One process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offsets: dict[str, int] = {}
        lines = self.read_lines()
        self.is_new = lines is None
        for line in lines or []:
            match line.split():
                case [writer, offset] if offset.isascii() and offset.isdigit():
                    self.offsets[writer] = max(int(offset), self.offsets.get(writer, -1))
        if lines is not None and (len(lines) > MIN_LINES_TO_COMPACT + 2 * len(self.offsets) or not self.ends_with_newline):
            self.compact()

    def read_lines(self) -> list[str] | None:
        """Return the whole lines; None without a file. A torn last line is left by a killed process."""
        try:
            text = self.path.read_text(errors="replace")
        except FileNotFoundError:
            return None
        self.ends_with_newline = text.endswith("\n")
        return text.splitlines() if self.ends_with_newline else text.splitlines()[:-1]

    def compact(self) -> None:
        """Rewrite the file with a line per writer."""
        text = "".join(f"{writer} {offset}\n" for writer, offset in self.offsets.items())
        replace_file(self.path, f"# writer offset\n{text}".encode(), durable=True)

    def __contains__(self, row: AlertRow) -> bool:
        writer, offset = parse_alert_id(row)
        return offset <= self.offsets.get(writer, -1)

    def initialize(self, rows: Iterable[AlertRow]) -> None:
        """Start the log of a new target: alerts that exist already are not delivered."""
        self.raise_offsets(rows)
        self.compact()
        self.is_new = False

    def record(self, rows: Iterable[AlertRow]) -> None:
        """Record alerts as delivered (or skipped): on the disk when it returns."""
        raised = self.raise_offsets(rows)
        with self.path.open("ab", buffering=0) as file:
            file.write("".join(f"{writer} {offset}\n" for writer, offset in raised.items()).encode())
            os.fsync(file.fileno())

    def raise_offsets(self, rows: Iterable[AlertRow]) -> dict[str, int]:
        """Raise the highest offset of each writer; return the offsets of these rows."""
        raised: dict[str, int] = {}
        for row in rows:
            writer, offset = parse_alert_id(row)
            raised[writer] = max(offset, raised.get(writer, -1))
        for writer, offset in raised.items():
            self.offsets[writer] = max(offset, self.offsets.get(writer, -1))
        return raised


def parse_alert_id(row: AlertRow) -> tuple[str, int]:
    """Return the stream and offset of an alert."""
    writer, _, offset = row.id.partition(":")
    return writer, int(offset)
