"""Edit YAML as text: cut out and insert entries, and keep every other byte."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import yaml

__all__ = ["compose_tree", "detect_newline", "get_value", "insert_entries", "parse_yaml", "remove_entry"]

Container: TypeAlias = Any
"""A node with entries: PyYAML's `MappingNode` or `SequenceNode`, of which it tells no types."""


def parse_yaml(text: str) -> object:
    """Parse a text; None if empty. Raise yaml.YAMLError if invalid."""
    return yaml.safe_load(text)


def compose_tree(text: str) -> yaml.Node | None:
    """Compose the tree of a text, with positions."""
    node: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
    return node


def get_value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return a mapping's value under a key; None if it has none, or is not a mapping."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def remove_entry(text: str, path: list[tuple[Container, int]]) -> str:
    """Remove the last entry on a path from the root, and containers that hold nothing else."""
    while len(path) > 1 and len(path[-1][0].value) == 1:
        path = path[:-1]
    container, index = path[-1]
    start, end = find_flow_span(container, index) if container.flow_style else find_block_span(text, container, index)
    return text[:start] + text[end:]


def find_flow_span(container: Container, index: int) -> tuple[int, int]:
    """Return the span of an entry and one of its commas."""
    spans = list(iter_entry_spans(container))
    if index + 1 < len(spans):
        return spans[index][0], spans[index + 1][0]
    return (spans[index - 1][1] if index else spans[0][0]), spans[index][1]


def find_block_span(text: str, container: Container, index: int) -> tuple[int, int]:
    """Return the lines of an entry, from its key or dash to the end of its last word."""
    start, end = list(iter_entry_spans(container))[index]
    if isinstance(container, yaml.SequenceNode):
        start = text.rindex("-", 0, start)
    end = len(text[:end].rstrip())
    line_end = text.find("\n", end)
    return text.rfind("\n", 0, start) + 1, len(text) if line_end < 0 else line_end + 1


def iter_entry_spans(container: Container) -> Iterator[tuple[int, int]]:
    """Yield the span of each entry."""
    for entry in container.value:
        first, last = entry if isinstance(container, yaml.MappingNode) else (entry, entry)
        yield first.start_mark.index, find_value_end(last)


def find_value_end(node: yaml.Node) -> int:
    """Return the end of a value; a block's own mark lies after comments that follow it."""
    if not isinstance(node, yaml.MappingNode | yaml.SequenceNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return find_value_end(last[1] if isinstance(node, yaml.MappingNode) else last)


def insert_entries(text: str, container: Container, lines: list[str]) -> str:
    """Insert entries at the beginning of a container, in its style."""
    start = container.start_mark.index
    if container.flow_style:
        more = ", ".join(lines) + (", " if container.value else "")
        return text[: start + 1] + more + text[start + 1 :]
    dash = "- " if isinstance(container, yaml.SequenceNode) else ""
    line = text.rfind("\n", 0, start) + 1
    indent = text[line:start]
    return text[:start] + "".join(f"{dash}{more}{detect_newline(text)}{indent}" for more in lines) + text[start:]


def detect_newline(text: str) -> str:
    """Return the text's line ending."""
    return "\r\n" if "\r\n" in text else "\n"
