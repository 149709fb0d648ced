"""The command `tasuki verify`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, Remote, load_command_settings
from tasuki.cli.shared.output import Table, progress_bar, write_result
from tasuki.errors import ConfigError, MissingRecords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasuki.client.verify_remote import VerifiedStream
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasuki.cli.shared.options import ProjectFilter, open_local_store, require_remote

if TYPE_CHECKING:
    pass

__all__ = ["EXAMPLES", "verify", "verify_store"]

EXAMPLES = """\
tasuki verify
tasuki verify --remote http://127.0.0.1:7700
tasuki verify --remote http://127.0.0.1:7700 --receipt receipt.json"""


def verify(
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
    project: ProjectFilter = None,
    receipt: Annotated[
        str | None, typer.Option("--receipt", metavar="FILE", help="Write the receipt to this file; requires --remote.")
    ] = None,
) -> None:
    """Verify every journal, and the store, or a server, against all of them.

    Every checksum is computed anew. The store is compared with a fresh one; with --remote, a server's streams with ours, by length
    and sha256. Exits with 6 if anything is wrong; if not, the receipt lists each run's streams with length and sha256, signed with
    the key for the server (HMAC-SHA256).
    """
    if remote is not None:
        verify_remote(remote, project, dir, receipt, as_json=as_json)
    elif receipt is not None:
        raise ConfigError("a receipt is a server's", hint="tasuki verify --remote URL --receipt FILE")
    else:
        verify_store(dir, as_json=as_json)


def verify_remote(target: str, project: str | None, dir: str | None, receipt: str | None, *, as_json: bool) -> None:
    """Compare a folder with a server, stream by stream. MissingRecords if they differ."""
    from tasuki.client.verify_remote import ServerStreams, compare_with_remote
    from tasuki.journal import JournalFolder
    from tasuki.relay import open_remote_state

    settings = load_command_settings(dir, target)
    remote = require_remote(settings)
    key = settings.key(remote)
    if receipt is not None and not key():
        raise ConfigError("a receipt is signed with the key for the server, and there is none", hint="export TASUKI_TOKEN")
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    with ServerStreams(remote, key) as peer:
        found = compare_with_remote(folder, peer, open_remote_state(settings.dir, remote), project=project)
    columns = ["project", "run", "writer", "difference", "missing records"]
    data = {
        "remote": remote,
        "streams": found.streams,
        "records": found.records,
        "differences": [dict(zip(columns, row, strict=True)) for row in found.differences],
    }
    if found.differences or as_json:
        write_result("verify-remote/1", data, Table(columns, found.differences, ["writer", "difference"]), as_json=as_json)
    if found.differences:
        missing = sum(difference.missing_records for difference in found.differences)
        raise MissingRecords(
            f"{len(found.differences)} of {found.streams} streams differ from {remote}; "
            + (f"{missing:,} records are missing there" if missing else "nothing is missing there"),
            hint=f"tasuki sync --to {remote}" if missing else None,
        )
    if receipt is not None:
        write_receipt(receipt, remote, found.verified_streams, key() or "")
    if not found.streams:
        print_message(f"nothing is recorded in {settings.dir}: nothing was verified; another folder is --dir DIR")
        return
    print_message(f"verified: {found.records:,} records of {found.streams} streams, all of them on {remote}")


def write_receipt(path: str, remote: str, verified_streams: "Sequence[VerifiedStream]", key: str) -> None:
    """Write the proof. ConfigError where no file can be."""
    import json

    from tasuki.client.receipt import build_receipt

    try:
        Path(path).write_text(json.dumps(build_receipt(remote, verified_streams, key), indent=2) + "\n")
    except OSError as error:
        raise ConfigError(f"the receipt {path} can't be written: {error.strerror}") from error


def verify_store(dir: str | None, *, as_json: bool) -> None:
    """Check every journal, and the store against all of them. MissingRecords if anything is wrong."""
    with open_local_store(dir) as store, progress_bar("verifying") as progress:
        report = store.verify(progress)
    rows: list[list[Any]] = [
        [problem.project, problem.run, problem.writer, problem.offset, problem.description] for problem in report.problems
    ]
    columns = ["project", "run", "writer", "offset", "problem"]
    data = {
        "writers": report.writers,
        "records": report.records,
        "problems": [dict(zip(columns, row, strict=True)) for row in rows],
    }
    if rows or as_json:
        write_result("verify/1", data, Table(columns, rows, ["writer", "problem"]), as_json=as_json)
    if rows:
        raise MissingRecords(
            f"{len(rows)} problems in {report.records:,} records of {report.writers:,} writers",
            hint="what can be read is in the store; tasuki doctor says where the holes are",
        )
    print_message(f"verified: {report.records:,} records of {report.writers:,} writers, all whole and all in the store")
