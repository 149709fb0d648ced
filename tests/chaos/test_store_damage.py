"""The store deleted, damaged, of another version: noticed, and made again from the journals, however often that is interrupted."""

import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec
import pytest

from tasuki.journal import identify_current_process
from tasuki.records import Alert, Metrics, RunStarted, RunStatus, Status, encode, encode_frame
from tasuki.settings import load
from tasuki.store import LocalStore, open_folder_store
from tasuki.store.schema import SCHEMA
from tests.support.journals import DEAD_OWNER, beginning, flip, write_journal
from tests.support.processes import Child
from tests.support.soak import SOAK, scaled

PAGE_BYTES = 4096
RUNS, CALLS = 3, 2500
LONG = "long enough for pages of its own " * 500


def record_runs(folder: Path) -> None:
    """Runs that fill every table, and texts that overflow their pages."""
    chance = random.Random(3)
    for number in range(RUNS):
        config = {f"key-{n}": "x" * 60 for n in range(200)}
        write_journal(
            folder,
            [
                RunStarted(time=1, attempt="a", name=f"run {number}", notes=LONG, tags=["t"], config=config),
                *(Metrics(time=9 + n, step=n, values={"loss": chance.random(), "one": 1.0}) for n in range(CALLS)),
                *(Alert(time=CALLS + 10 + n, title=f"alert {n}", text=LONG if n % 4 else "short") for n in range(12)),
                RunStatus(time=CALLS + 100, attempt="a", status=Status.FINISHED),
            ],
            owner=DEAD_OWNER,
            run=f"run-{number}",
        )


def answers(store: LocalStore) -> list[object]:
    """What can be asked."""
    found: list[object] = []
    for project in store.projects():
        runs = store.runs(project.name)
        found += [project, runs, store.summaries(project.name), store.alerts(project.name)]
        found += [store.history(project.name, run.id) for run in runs]
        found += [store.series(project.name, run.id, "loss").values.tolist() for run in runs]
    return found


def ask(folder: Path) -> list[object]:
    """The answers of a data folder."""
    with open_folder_store(load({}, dir=str(folder)), wait_seconds=None) as store:
        return answers(store)


def current(folder: Path) -> Path:
    """The store of a data folder."""
    return folder / json.loads((folder / "store").read_bytes())[str(SCHEMA)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    """A data folder with a store that is whole, and what it answers."""
    folder = tmp_path_factory.mktemp("sound")
    record_runs(folder / "journal")
    truth = ask(folder)
    assert len(truth) == 4 + 2 * RUNS
    db = apsw.Connection(str(current(folder)))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return folder, truth


@pytest.fixture
def folder(sound: tuple[Path, list[object]], data_dir: Path) -> Path:
    """A copy of it, to be damaged."""
    shutil.copytree(sound[0], data_dir)
    return data_dir


@pytest.fixture
def truth(sound: tuple[Path, list[object]]) -> list[object]:
    """What it must answer all the same."""
    return sound[1]


def overwrite(path: Path, page: int) -> None:
    """Put random bytes in place of a page; the first one is number 1."""
    content = bytearray(path.read_bytes())
    content[(page - 1) * PAGE_BYTES : page * PAGE_BYTES] = random.Random(page).randbytes(PAGE_BYTES)
    path.write_bytes(content)


# -- whole files


@pytest.mark.parametrize("gone", [["store*"], ["store"], ["store.*.db"], ["store.lock"], ["*.db-wal", "*.db-shm"]], ids=" ".join)
def test_a_lost_store_is_made_again(gone: list[str], folder: Path, truth: list[object]):
    for pattern in gone:
        for path in folder.glob(pattern):
            path.unlink()
    assert ask(folder) == truth


def test_a_store_deleted_under_a_reader_is_made_again(folder: Path, truth: list[object]):
    with open_folder_store(load({}, dir=str(folder)), wait_seconds=None) as store:
        assert answers(store) == truth
        for path in folder.glob("store*"):
            path.unlink()
        assert answers(store) == truth
    assert current(folder).exists()


@pytest.mark.parametrize(
    "size", [0, 1, 99, 100, PAGE_BYTES - 1, PAGE_BYTES, 10 * PAGE_BYTES + 1, -PAGE_BYTES, -1], ids=lambda size: f"to {size}"
)
def test_a_store_cut_short_is_made_again(size: int, folder: Path, truth: list[object]):
    path = current(folder)
    path.write_bytes(path.read_bytes()[:size])
    assert ask(folder) == truth


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"[]", b"{", b'{"%d": 3}', b'{"%d": "../outside.db"}', b'{"%d": "store.99.db"}', bytes(5000)],
    ids=range(8),
)
def test_a_pointer_that_says_nothing_is_made_again(content: bytes, folder: Path, truth: list[object]):
    shutil.copy(current(folder), folder.parent / "outside.db")
    (folder / "store").write_bytes(content.replace(b"%d", b"%d" % SCHEMA))
    assert ask(folder) == truth
    assert current(folder).resolve().parent == folder


@pytest.mark.parametrize("content", [b"hello", b"SQLite format 3\x00" + bytes(5000)], ids=["text", "half a database"])
def test_what_is_no_store_is_replaced(content: bytes, folder: Path, truth: list[object]):
    current(folder).write_bytes(content)
    assert ask(folder) == truth


def test_a_store_of_another_schema_is_left_alone_and_ours_is_built_beside_it(folder: Path, truth: list[object]):
    theirs = current(folder)
    db = apsw.Connection(str(theirs))
    db.pragma("user_version", 999)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    before = theirs.read_bytes()
    (folder / "store").write_text(json.dumps({"999": theirs.name}))
    assert ask(folder) == truth
    named = json.loads((folder / "store").read_bytes())
    assert named.pop("999") == theirs.name
    assert theirs.read_bytes() == before
    assert [name == theirs.name for name in named.values()] == [False]


def test_a_store_that_another_schema_has_taken_over_is_left_alone(folder: Path, truth: list[object]):
    """The pointer says it is ours, the file says it is not."""
    theirs = current(folder)
    db = apsw.Connection(str(theirs))
    db.pragma("user_version", 999)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    before = theirs.read_bytes()
    assert ask(folder) == truth
    assert theirs.read_bytes() == before
    assert current(folder) != theirs


# -- pages


def pages(path: Path) -> dict[tuple[str, str], list[int]]:
    """The numbers of a store's pages, by table or index and by kind (internal, leaf, overflow)."""
    found: dict[tuple[str, str], list[int]] = {}
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    for table, kind, number in db.execute("SELECT name, pagetype, pageno FROM dbstat ORDER BY pageno"):
        found.setdefault((table, kind), []).append(number)
    db.close()
    return found


def test_a_page_overwritten_with_random_bytes_anywhere_is_noticed(
    sound: tuple[Path, list[object]], truth: list[object], tmp_path: Path
):
    """One page of each table and kind, a whole chain of those that overflow, or all of them in a soak."""
    by_kind = pages(current(sound[0]))
    assert {("chunk", "overflow"), ("run", "overflow"), ("alert", "overflow"), ("summary", "leaf")} <= set(by_kind)
    noticed = 0
    for (table, kind), numbers in by_kind.items():
        for number in numbers if SOAK else numbers[: 6 if kind == "overflow" else 1]:
            folder = tmp_path / str(number)
            shutil.copytree(sound[0], folder)
            damaged = current(folder)
            overwrite(damaged, number)
            assert ask(folder) == truth, f"page {number}, {kind} of {table}"
            noticed += current(folder) != damaged
            shutil.rmtree(folder)
    assert noticed > len(by_kind) / 2


def test_many_pages_overwritten_at_once_are_noticed(folder: Path, truth: list[object]):
    path = current(folder)
    for number in random.Random(1).sample(range(2, path.stat().st_size // PAGE_BYTES), 20):
        overwrite(path, number)
    assert ask(folder) == truth


def test_damage_under_a_reader_is_noticed(folder: Path, truth: list[object]):
    with open_folder_store(load({}, dir=str(folder)), wait_seconds=None) as store:
        store.projects()
        path = current(folder)
        size = path.stat().st_size
        with path.open("r+b") as file:
            for number in range(1, size // PAGE_BYTES):
                file.seek(number * PAGE_BYTES)
                file.write(random.Random(number).randbytes(PAGE_BYTES))
        assert answers(store) == truth


def test_a_damaged_store_is_noticed_when_more_is_recorded(folder: Path, truth: list[object]):
    path = current(folder)
    overwrite(path, pages(path)["summary", "leaf"][0])
    write_journal(folder / "journal", [RunStarted(time=5, attempt="b"), Metrics(time=6, step=0, values={"loss": 1.0})], run="more")
    with open_folder_store(load({}, dir=str(folder)), wait_seconds=None) as store:
        assert sorted(run.id for run in store.runs("p")) == ["more", *(f"run-{number}" for number in range(RUNS))]
        assert [summary.n for summary in store.summaries("p", metrics=["loss"])] == [*[CALLS] * RUNS, 1]


def test_calls_that_were_projected_before_their_journal_was_damaged_count_once(data_dir: Path):
    """What lies behind the damage becomes a stream of its own: the store must not have it under both."""
    calls = [Metrics(time=9 + n, step=n, values={"loss": n / 7}) for n in range(100)]
    path = write_journal(data_dir / "journal", calls, owner=identify_current_process(), run="r")
    with open_folder_store(load({}, dir=str(data_dir)), wait_seconds=None) as store:
        assert len(store.history("p", "r")) == 100
        header, body = beginning(path)
        dead = msgspec.structs.replace(header, pid_start=DEAD_OWNER.pid_start)
        path.write_bytes(dead.encode() + path.read_bytes()[body:])
        flip(path, path.stat().st_size // 2)
    with open_folder_store(load({}, dir=str(data_dir)), wait_seconds=None) as store:
        steps = [row.step for row in store.history("p", "r")]
    assert len(steps) == 99
    assert set(steps) < set(range(100))


# -- killed while it is made again


MAKES_AGAIN = """
import sys
from tasuki.settings import load
from tasuki.store import open_folder_store
from tests.support.acknowledged_calls import say
say("ready")
with open_folder_store(load(), wait_seconds=None) as store:
    getattr(store, sys.argv[1])(*eval(sys.argv[2]))
say("done")
"""


def delete(folder: Path) -> None:
    for path in folder.glob("store*"):
        path.unlink()


def damage(folder: Path) -> None:
    path = current(folder)
    overwrite(path, pages(path)["writer", "leaf"][0])


@pytest.mark.parametrize(
    ("spoil", "action", "arguments"),
    [(delete, "runs", "('p',)"), (damage, "runs", "('p',)"), (lambda _: None, "rebuild", "()")],
    ids=["deleted", "damaged", "rebuild"],
)
def test_making_it_again_may_be_killed_at_any_moment(
    spoil: Callable[[Path], None], action: str, arguments: str, folder: Path, truth: list[object]
):
    spoil(folder)
    chance = random.Random(9)
    done = kills = 0
    while not done or kills < scaled(6, 60):
        with Child(MAKES_AGAIN, action, arguments) as child:
            child.expect("ready")
            time.sleep(chance.uniform(0, 0.05 * (kills + 1)))
            child.kill_all()
            kills += 1
            done += child.lines[-1].startswith("done")
    assert ask(folder) == truth
    with open_folder_store(load({}, dir=str(folder)), wait_seconds=None) as store:
        store.rebuild()
        assert answers(store) == truth
    assert len(list(folder.glob("store.*.db"))) == 1, "what killed builders left is removed by the next one"


def test_a_store_is_made_again_while_records_arrive(folder: Path):
    """The damaged store is replaced while its folder has a writer that goes on."""
    live = write_journal(folder / "journal", [RunStarted(time=5, attempt="b")], owner=identify_current_process(), run="live")
    with open_folder_store(load({}, dir=str(folder)), wait_seconds=None) as store, live.open("ab", buffering=0) as file:
        for round in range(scaled(4, 40)):
            damage(folder)
            file.write(encode_frame(encode(Metrics(time=10 + round, step=round, values={"loss": 1.0}))))
            assert len(store.history("p", "live")) == round + 1
