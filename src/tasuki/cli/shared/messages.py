"""Messages to people, on stderr: stdout holds data only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tasuki.cli.shared.formatting import replace_control_characters
from tasuki.errors import TasukiError

__all__ = ["print_message", "report_errors"]


def print_message(text: str) -> None:
    """One line to the person at the terminal."""
    sys.stderr.write(f"{replace_control_characters(text)}\n")
    sys.stderr.flush()


@contextmanager
def report_errors() -> Iterator[None]:
    """Report an error and its hint instead of a traceback; exit with the error's code."""
    try:
        yield
    except TasukiError as error:
        print_message(f"error: {error.message}")
        if error.hint:
            print_message(f"hint: {error.hint}")
        sys.exit(error.exit_code)
    except OSError as error:
        print_message(f"error: {error.filename or 'the machine'}: {error.strerror or error}")
        sys.exit(TasukiError.exit_code)
