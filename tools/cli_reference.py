"""What the docs take from the code: `python -m tools.cli_reference > docs/cli.md`; `… settings` prints the table of settings."""

import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from tasuki.cli.app import app

__all__ = ["PAGES", "build_cli_page", "build_settings_table", "iter_commands"]

INTRODUCTION = """\
# Command line

<!-- made by: python -m tools.cli_reference > docs/cli.md -->

## What holds for all commands

Data goes to stdout, talk to stderr. On a terminal, data is a table: names are cut at 40 characters, numbers have 4 significant
digits, a time within a day is relative and any other local. In a pipe it is TSV: a header line, then full precision, times in
ISO 8601 UTC, durations in seconds, lists and dicts as JSON, nothing for what is not there, and `\\t`, `\\n`, `\\r`, `\\\\` and
`\\xNN` for characters that would break a line. `NO_COLOR` is honoured.

`--json` prints one JSON object on stdout. Its `schema` is `tasuki/<command>/<version>`, e.g. `tasuki/run-list/1`; within a
version, keys are only added. JSON has no NaN and no infinities: they are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`,
in TSV the same words. Times are ISO 8601 UTC, durations seconds.

A project is the one of `--project`, else of `TASUKI_PROJECT`, else the only one there is; otherwise the command exits with 2
and lists them. A run is named by its id, by a unique beginning of its id, or by a name that no other run of the project has.

An error says what failed and, as a hint, what to type:

```
error: project 'digits' has no run 'lr-0.2'
hint: there are x8c3vbn2 (lr-0.1), h4k2mnp7 (lr-0.01)
```

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | wrong usage, or a setting is wrong |
| 3 | there is no such project, run or metric |
| 4 | conflict: it exists already |
| 5 | a server can't be reached, or refused |
| 6 | integrity gap: something that was recorded is missing or damaged |
| 7 | a condition is false, or its time is over |
| 130 | interrupted |

`tasuki doctor` alone says with 0, 1 or 2 that all is ok, something is degraded, something is broken.

`tasuki completion bash|zsh|fish` prints what your shell has to read to complete commands and names.
"""


def iter_commands(group: Any = None, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, and the words that call it."""
    group = group or get_command(app)
    inner: dict[str, Any] | None = getattr(group, "commands", None)
    if inner is None:
        yield path, group
        return
    for name, command in inner.items():
        yield from iter_commands(command, *path, name)


def build_cli_page() -> str:
    """docs/cli.md."""
    return "\n".join([INTRODUCTION, *(build_command_section(" ".join(path), command) for path, command in sorted(iter_commands()))])


def build_command_section(name: str, command: Any) -> str:
    """What the docs say of one command."""
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    given = [argument.metavar for argument in arguments]
    words = " ".join(["tasuki", name, *(["[OPTIONS]", *given] if wraps_a_program(command) else [*given, "[OPTIONS]"])])
    rows = [build_parameter_row(parameter) for parameter in command.params if parameter.help and "--help" not in parameter.opts]
    table = "\n".join(["| | |", "|---|---|", *rows])
    return f"## tasuki {name}\n\n```\n{words}\n```\n\n{command.help}\n\n```sh\n{command.epilog}\n```\n\n{table}\n"


def wraps_a_program(command: Any) -> bool:
    """Whether what comes behind its own options is another program's."""
    return not command.context_settings.get("allow_interspersed_args", True)


def build_parameter_row(parameter: Any) -> str:
    """One argument or option: how it is written, what it means."""
    if parameter.param_type_name == "argument":
        written = parameter.metavar
    else:
        written = " ".join([*parameter.opts, *([parameter.metavar] if parameter.metavar else [])])
    default = f" Default: {parameter.default}." if parameter.default not in (None, False) else ""
    return f"| `{written}` | {parameter.help}{default} |"


def build_settings_table() -> str:
    """The table in docs/settings.md."""
    from tasuki.settings import TABLE

    lines = ["| in `tasuki.yaml` | environment | default | meaning |", "|---|---|---|---|"]
    for setting in TABLE:
        key = "" if setting.key == "dir" else f"`{setting.key}`"
        variables = ", ".join(f"`{variable}`" for variable in setting.variables)
        lines.append(f"| {key} | {variables} | {setting.default} | {setting.meaning} |")
    return "\n".join(lines) + "\n"


PAGES = {"cli": build_cli_page, "settings": build_settings_table}


def main(arguments: list[str]) -> None:
    """Print one page."""
    [page] = arguments or ["cli"]
    sys.stdout.write(PAGES[page]())


if __name__ == "__main__":
    main(sys.argv[1:])
