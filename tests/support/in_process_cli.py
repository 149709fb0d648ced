"""Commands inside the process of the test: what a process would print and exit with, without the time that one takes to start."""

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from tasuki.cli import main
from tests.support.query_targets import Target

__all__ = ["Done", "inside"]


class Done(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


class Stream(io.StringIO):
    """A stdout or stderr that a person sees, or a pipe."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        """Whether a person sees it."""
        return self.terminal


def inside(target: Target, *arguments: str, terminal: bool = False) -> Done:
    """Run a command that asks a target, to its end."""
    whom = ["--project", target.project, "--dir", str(target.reader), *(["--remote", target.url] if target.url else [])]
    out, err = Stream(terminal=terminal), Stream()
    code: object = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([*arguments, *whom])
        except SystemExit as exit:
            code = exit.code or 0
    assert isinstance(code, int)
    return Done(code, out.getvalue(), err.getvalue())
