"""The command `tasuki completion`: shell completion scripts."""

import sys
from typing import Annotated

import typer

from tasuki.errors import ConfigError

__all__ = ["EXAMPLES", "completion"]

EXAMPLES = """\
tasuki completion bash > ~/.local/share/bash-completion/completions/tasuki
tasuki completion zsh > ~/.zfunc/_tasuki
tasuki completion fish > ~/.config/fish/completions/tasuki.fish"""
SHELLS = ("bash", "zsh", "fish")


def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="The shell.")]) -> None:
    """Print the script that makes a shell complete commands, options, projects, runs and metrics.

    Names come from the data folder's store as it is at that moment. Put the script where the shell looks for it, as above, or
    read it at once: `eval "$(tasuki completion bash)"`.
    """
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        raise ConfigError(f"there is no script for {shell!r}", hint=f"one of {', '.join(SHELLS)}")
    sys.stdout.write(get_completion_script(prog_name="tasuki", complete_var="_TASUKI_COMPLETE", shell=shell) + "\n")
