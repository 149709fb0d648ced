"""Resources that a job requests."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tasuki.errors import ConfigError

__all__ = ["Resources", "format_walltime", "parse_walltime"]

WORD_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:+-]*")
VARIABLE_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
UNIT_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
CLOCK_PATTERN = re.compile(r"(?:(\d+)-)?(\d+):(\d{1,2}):(\d{1,2})")
"""Not `2:00`, which is two minutes for schedulers and two hours for many people."""


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes, total processes, and walltime. Raise ConfigError if no scheduler could accept them."""

    nodes: int = 1
    ntasks: int = 1
    walltime: int | str = 3600
    """Seconds, or text that `parse_walltime` reads."""
    queue: str | None = None
    account: str | None = None
    modules: tuple[str, ...] = ()
    env: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        if self.nodes < 1 or self.ntasks < self.nodes:
            raise ConfigError(
                f"{self.ntasks} processes on {self.nodes} nodes can't be", hint="--ntasks counts them on all nodes together"
            )
        for what, value in (("queue", self.queue), ("account", self.account)):
            if value is not None and not WORD_PATTERN.fullmatch(value):
                raise ConfigError(f"{value!r} can't be the name of the {what}", hint="letters, digits and any of _ . @ : + -")
        for module in self.modules:
            if not module or "\n" in module:
                raise ConfigError(f"{module!r} can't be the name of a module")
        for name in self.env:
            if not VARIABLE_PATTERN.fullmatch(name):
                raise ConfigError(f"{name!r} can't be the name of a variable")
        parse_walltime(self.walltime)

    @property
    def seconds(self) -> int:
        """Return the walltime in seconds."""
        return parse_walltime(self.walltime)

    @property
    def tasks_per_node(self) -> int:
        """Return the processes of the fullest node."""
        return -(-self.ntasks // self.nodes)


def parse_walltime(value: Any) -> int:
    """Parse a walltime into seconds: a number, `90m`, `2h`, `1.5d`, `1h30m`, `1:30:00`, or `1-00:00:00`.

    Raise ConfigError for anything else.
    """
    text = str(value).strip().lower()
    if text.isdecimal():
        seconds = int(text)
    elif found := CLOCK_PATTERN.fullmatch(text):
        days, hours, minutes, rest = (int(part or 0) for part in found.groups())
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    elif UNIT_PATTERN.sub("", text).strip() == "":
        seconds = round(sum(float(number) * UNIT_SECONDS[unit] for number, unit in UNIT_PATTERN.findall(text)))
    else:
        seconds = 0
    if seconds < 1:
        raise ConfigError(f"{value!r} is no walltime", hint="like 90m, 2h, 1h30m or 1:30:00")
    return seconds


def format_walltime(seconds: int) -> str:
    """Format a walltime as schedulers write it."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
