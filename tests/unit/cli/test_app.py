from pathlib import Path

import pytest

from tasuki import __version__, errors
from tasuki.cli import main
from tasuki.cli.shared.messages import report_errors
from tools.cli_reference import iter_commands

COMMANDS = dict(iter_commands())


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as exit:
        main(list(arguments))
    return exit.value.code


def test_version_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"tasuki {__version__}\n"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_begins_with_examples(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*path, "--help") == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "Examples:"
    assert second.startswith(f"  tasuki {' '.join(path)}")


WRITES = {
    ("rebuild",),
    ("completion",),
    ("exec",),
    ("export",),
    ("demo",),
    ("install",),
    ("mcp",),
    ("notify", "watch"),
    ("serve",),
    ("syncer",),
    ("volume", "init"),
    ("import", "trackio"),
    *(("hpc", verb) for verb in ("add", "remove", "login", "logout", "submit", "logs", "cancel", "retry", "fetch")),
    ("hpc", "sync"),  # what it prints is JSON
    *((group, verb) for group in ("remote", "token") for verb in ("add", "create", "remove", "revoke")),
}


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in WRITES], ids=" ".join)
def test_every_command_that_reads_has_json(path: tuple[str, ...]) -> None:
    assert "--json" in {option for parameter in COMMANDS[path].params for option in parameter.opts}


@pytest.mark.parametrize("path", [path for path in COMMANDS if path[0] == "run"], ids=" ".join)
def test_every_command_about_a_project_takes_one(path: tuple[str, ...]) -> None:
    assert "--project" in {option for parameter in COMMANDS[path].params for option in parameter.opts}


@pytest.mark.parametrize("arguments", [["nope"], ["run", "show"], ["run", "list", "--nope"], ["query", "x", "--limit", "0"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "--help" in output.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.TasukiError, 1),
        (errors.JournalError, 1),
        (errors.ConfigError, 2),
        (errors.NotFound, 3),
        (errors.Conflict, 4),
        (errors.RemoteUnavailable, 5),
        (errors.RemoteRejected, 5),
        (errors.MissingRecords, 6),
        (errors.StoreCorrupt, 6),
    ],
)
def test_an_error_says_what_failed_and_what_to_type(
    error: type[errors.TasukiError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit, report_errors():
        raise error("no run 'x\x1b[2J'", hint="type this")
    assert exit.value.code == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "error: no run 'x�[2J'\nhint: type this\n"


def test_an_error_of_the_machine_is_told_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit, report_errors():
        (tmp_path / "nope").read_text()
    assert exit.value.code == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/nope: No such file or directory\n"


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), report_errors():
        raise ZeroDivisionError
