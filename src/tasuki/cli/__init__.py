"""The command line. What a command needs is imported in its body, so that `--help` waits for nothing."""

from tasuki.cli.app import main

__all__ = ["main"]
