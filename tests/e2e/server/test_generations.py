"""A store that an older version made is built again from the journals, with nothing lost, on a folder and through a server."""

import json
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from tasuki.journal import project_folder_name
from tasuki.store.schema import SCHEMA
from tests.support.processes import ROOT, eventually
from tests.support.query_targets import SERVER, Target
from tests.support.remote_server import Server, sync_all

GOLDEN = ROOT / "tests/golden"
LIVE = f"{1:032}"


def answers(target: Target, project: str) -> list[Any]:
    """All that is known of the project's runs."""
    with target.api() as api:
        query = api.query
        runs = query.runs(project)
        kept = [(query.history(project, run.id), query.summaries(project, [run.id]), query.texts(project, run.id)) for run in runs]
        return [repr(part) for part in (runs, kept, query.alerts(project))]


def age(folder: Path) -> Path:
    """Make it so that an older version has made the store, with other tables; returns it."""
    pointer = folder / "store"
    name = json.loads(pointer.read_text())[str(SCHEMA)]
    db = apsw.Connection(str(folder / name))
    db.execute(f"DROP TABLE alert; PRAGMA user_version = {SCHEMA - 1}")
    db.close()
    pointer.write_text(json.dumps({str(SCHEMA - 1): name}))
    return folder / name


def test_a_store_of_an_older_generation_is_rebuilt_with_nothing_lost(target: Target):
    with target.init("it", config={"lr": 0.1}, tags=["base"]) as run:
        for step in range(50):
            run.log({"loss": 1 / (step + 1)}, step=step)
        run.alert("with", data={"window": 50})
        run.alert("without")
        run.keep("stdout", "epoch 1\n")
    before = answers(target, target.project)
    if target.server is not None:
        target.server.stop()
    old = age(target.server.folder if target.server else target.folder)
    if target.server is not None:
        target.server.start()
    eventually(lambda: rebuilt(target, before))
    assert old.exists(), "the older version's store is left alone"


def rebuilt(target: Target, before: list[Any]) -> bool:
    """Whether the answers are what they were; while a server projects anew, something may be missing yet."""
    with target.api() as api:
        known = target.project in api.projects() and api.query.missing == 0
    return known and answers(target, target.project) == before


@pytest.mark.parametrize("release", sorted(path.name for path in GOLDEN.iterdir() if (path / "expected.json").exists()))
def test_the_golden_journals_of_every_release_answer_after_a_rebuild(target: Target, tmp_path: Path, release: str):
    project = "golden ✓"
    journals = target.folder / "journal" / project_folder_name(project)
    journals.mkdir(parents=True)
    shutil.copy(GOLDEN / release / f"{LIVE}.tsk", journals)
    if target.kind == SERVER:  # one of its own: the releases' journals have the same ids
        with Server(tmp_path / "own") as server:
            sync_all(target.folder, server.url)
            check_golden(target._replace(server=server), project)
    else:
        check_golden(target, project)


def check_golden(target: Target, project: str) -> None:
    """What the journal says is in the answers, also after its store was made by another version."""
    eventually(lambda: bool(answers(target, project)))
    before = answers(target, project)
    with target.api() as api:
        (alert,) = api.alerts(project)
        assert (alert.title, alert.data) == ("loss is not a number", {"window": 50, "list": [1, 2.5, None]})
        (run,) = api.runs(project)
        assert (run.name, run.tags, run.row.lost) == ("renamed", ["best", "digits"], 12)
    if target.server is not None:
        target.server.stop()
    age(target.server.folder if target.server else target.folder)
    if target.server is not None:
        target.server.start()
    eventually(lambda: rebuilt(target._replace(project=project), before))
