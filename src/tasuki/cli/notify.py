"""The command group `tasuki notify`."""

import signal
from typing import TYPE_CHECKING

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, ExamplesCommand, load_command_settings
from tasuki.cli.shared.output import Table, write_result
from tasuki.errors import ConfigError, RemoteUnavailable

if TYPE_CHECKING:
    from tasuki.settings import Settings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Deliver alerts to webhooks and chat services.")


@app.command("test", cls=ExamplesCommand, epilog="tasuki notify test")
def send_test_command(as_json: AsJson = False, dir: Dir = None) -> None:
    """Send a test message to every address of `notify` in the settings, now.

    Exits with 5 if one of them did not take it.
    """
    from tasuki.notify import send_test

    found = send_test(require_notify_settings(dir))
    columns = ["target", "project", "level", "found"]
    rows = [[one.target, one.project or "all", one.level, one.error or "delivered"] for one in found]
    data = {
        "targets": [{"target": one.target, "project": one.project, "level": one.level, "error": one.error or None} for one in found]
    }
    write_result("notify-test/1", data, Table(columns, rows, ["found"]), as_json=as_json)
    if failed := [one for one in found if one.error]:
        raise RemoteUnavailable(f"{len(failed)} of {len(found)} did not take it: {failed[0].error}", hint="docs/alerts.md")


@app.command("watch", cls=ExamplesCommand, epilog="tasuki notify watch")
def watch_command(dir: Dir = None) -> None:
    """Deliver a data folder's alerts as they are made, until Ctrl-C.

    For a folder without a server: `tasuki serve` delivers by itself. What could not be delivered is delivered after the next start.
    """
    from tasuki.notify import DeliveryService

    settings = require_notify_settings(dir)
    deliveries = DeliveryService(settings, should_project=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: deliveries.stop_event.set())
    print_message(
        f"delivering the alerts of {settings.dir} to {', '.join(target.name for target in settings.notify)} (Ctrl-C stops it)"
    )
    deliveries.deliver_until_stopped()
    deliveries.stop()


def require_notify_settings(dir: str | None) -> "Settings":
    """Return the settings. Raise ConfigError if they name no address."""
    settings = load_command_settings(dir)
    if not settings.notify:
        raise ConfigError(
            "the settings name nobody to deliver alerts to",
            hint=f"notify: [{{url: 'https://hooks.example/x'}}] in {settings.dir / 'tasuki.yaml'}, or TASUKI_NOTIFY",
        )
    return settings
