"""The command `tasuki rebuild`."""

from typing import TYPE_CHECKING

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import Dir, open_local_store
from tasuki.cli.shared.output import progress_bar

if TYPE_CHECKING:
    pass

__all__ = ["rebuild"]


def rebuild(dir: Dir = None) -> None:
    """Rebuild the store from the journals.

    The one in use goes on answering until then, and recording is not disturbed.
    """
    with open_local_store(dir) as store, progress_bar("rebuilding") as progress:
        report = store.rebuild(progress)
    print_message(f"rebuilt: {report.records:,} records in {report.seconds:.1f} s, {report.generation}")
