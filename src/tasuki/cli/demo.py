"""`tasuki demo`: tasuki at work on this machine."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.command import Dir, local_store, settings_for
from tasuki.cli.output import Table, draw, on_terminal, rich_table, write_tsv
from tasuki.cli.talk import say
from tasuki.clock import SYSTEM, datetime_from_us
from tasuki.errors import IntegrityGap

if TYPE_CHECKING:
    from tasuki.demo import Checked, Standing, Training
    from tasuki.store import Query

__all__ = ["demo"]

STEPS_PER_SECOND = 300
"""How fast a training goes that is watched."""
LOOK_SECONDS = 0.25


def demo(
    check: Annotated[bool, typer.Option("--check", help="No live table; check that every record is in the store.")] = False,
    dir: Dir = None,
) -> None:
    """Record three small trainings, and check that nothing is missing.

    One of them diverges. On a terminal their progress is shown, and they are slow enough to watch. Exits with 6 if a record
    that the training made is not in the store.
    """
    from tasuki import demo as the_demo

    settings = settings_for(dir)
    live = on_terminal() and not check
    say(f"A training process learns handwritten digits, three times; it only appends to {settings.journal_root}.")
    with (
        the_demo.training(settings, steps_per_second=STEPS_PER_SECOND if live else None) as training,
        local_store(dir) as store,
    ):
        if live:
            watch(store, training)
        training.wait()
        the_demo.settle(store)
        runs = the_demo.standings(store, training.group)
        checked = the_demo.check_ledger(store, training.ledger)
    (draw if on_terminal() else write_tsv)(table_of(runs))
    tell_checked(checked)
    tell_next(runs, dir)


def watch(query: "Query", training: "Training") -> None:
    """Draw the runs as the store has them, until the training ends."""
    from rich.console import Console
    from rich.live import Live

    from tasuki.demo import standings

    with Live(console=Console(highlight=False, markup=False), auto_refresh=False, transient=True) as live:
        while training.is_running:
            runs = standings(query, training.group)
            live.update(rich_table(table_of(runs), datetime_from_us(SYSTEM.now_us())), refresh=True)
            SYSTEM.sleep(LOOK_SECONDS)


def table_of(runs: "list[Standing]") -> Table:
    """The runs, a line each."""
    columns = ["name", "id", "status", "step", "train/loss", "lowest", "val/acc", "highest"]
    return Table(
        columns,
        [(run.name, run.id, run.status, run.step, run.loss, run.best_loss, run.accuracy, run.best_accuracy) for run in runs],
    )


def tell_checked(checked: "Checked") -> None:
    """What the comparison with the training's own ledger gave. IntegrityGap if anything is missing."""
    if checked.problems:
        for problem in checked.problems:
            say(problem)
        raise IntegrityGap(f"of {checked.records:,} records, not all are in the store as they were made")
    sys.stdout.write(f"checked: {checked.records} records in {checked.runs} runs, all in the store\n")


def tell_next(runs: "list[Standing]", dir: str | None) -> None:
    """What to type next."""
    where = f" --project digits{f' --dir {shlex.quote(dir)}' if dir else ''}"
    best = max(runs, key=lambda run: run.best_accuracy or 0)
    say("Next:")
    for words in ("run list", f"run show {best.id}", f"run history {best.id} --metric val/acc"):
        say(f"  {spoken_name()} {words}{where}")


def spoken_name() -> str:
    """How this command is typed here: it may not be on the PATH."""
    if shutil.which("tasuki"):
        return "tasuki"
    return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "tasuki" else f"{shlex.quote(sys.executable)} -m tasuki"
