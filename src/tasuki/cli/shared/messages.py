"""What is said to people: on stderr, so that stdout holds data alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tasuki.cli.shared.formatting import printable
from tasuki.errors import TasukiError

__all__ = ["errors_told", "say"]


def say(text: str) -> None:
    """One line to the person at the terminal."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


@contextmanager
def errors_told() -> Iterator[None]:
    """What failed and what to type, instead of a traceback; exits with the error's code."""
    try:
        yield
    except TasukiError as error:
        say(f"error: {error.message}")
        if error.hint:
            say(f"hint: {error.hint}")
        sys.exit(error.exit_code)
    except OSError as error:
        say(f"error: {error.filename or 'the machine'}: {error.strerror or error}")
        sys.exit(TasukiError.exit_code)
