from typing import Any

import pytest

from tasuki.cli.doctor.checks import Check, CheckLevel, build_broken_checks, build_folder_checks
from tasuki.errors import ConfigError, JournalError
from tasuki.store import FolderStatus, StreamDamage

PLENTY = 10**12
FINE = FolderStatus(
    folder="/data",
    journal_folder="/data/journal",
    file_system="ext4",
    sqlite_version="3.51.3",
    store="/data/store.1.db",
    projects=1,
    runs=2,
    notes=0,
    journals=2,
    sealed=1,
    alive=1,
    dead=0,
    unknown_owner=0,
    holes=[],
    damaged=[],
    refused=[],
    rejected_records=0,
    unknown_kinds={},
    lost_records=0,
    missing_records=0,
    last_record=None,
)


def changed(**fields: Any) -> FolderStatus:
    return FolderStatus(**{name: getattr(FINE, name) for name in FINE.__struct_fields__} | fields)


def degraded(condition: FolderStatus, free_bytes: int = PLENTY) -> list[Check]:
    return [check for check in build_folder_checks(condition, free_bytes) if check.state is not CheckLevel.OK]


def test_a_sound_folder_is_ok() -> None:
    assert degraded(FINE) == []


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({"holes": [StreamDamage("w1", 120, "w2")]}, "holes", "w1 at 120"),
        ({"refused": [("/data/journal/x/y.tsk", "not a journal")]}, "foreign files", "y.tsk: not a journal"),
        ({"rejected_records": 3}, "unreadable records", "3"),
        ({"unknown_kinds": {"note": 4}}, "unknown records", "4 note"),
        ({"lost_records": 12000}, "lost calls", "12,000"),
        ({"missing_records": 7}, "store", "7 records behind"),
        ({"sqlite_version": "3.51.2"}, "sqlite", "3.51.2"),
    ],
)
def test_each_trouble_is_degraded_and_says_what_to_do(fields: dict[str, Any], name: str, words: str) -> None:
    [check] = degraded(changed(**fields))
    assert (check.name, check.state) == (name, CheckLevel.DEGRADED)
    assert words in check.found
    assert check.hint


def test_a_disk_that_fills_up_is_degraded() -> None:
    [check] = degraded(FINE, free_bytes=50_000_000)
    assert check.name == "disk"


def test_a_long_list_names_the_first_and_counts_the_rest() -> None:
    [check] = degraded(changed(holes=[StreamDamage(f"w{n}", n, "x") for n in range(12)]))
    assert check.found.endswith("w4 at 4; and 7 more")


def test_a_folder_that_cannot_be_used_is_broken() -> None:
    assert build_broken_checks(ConfigError("no", hint="do this")) == [Check("data folder", CheckLevel.BROKEN, "no", "do this")]
    assert build_broken_checks(PermissionError(13, "denied"))[0].state is CheckLevel.BROKEN
    assert build_broken_checks(JournalError("full"))[0].state.exit_code == 2


def test_the_worst_state_is_the_exit_code() -> None:
    assert [state.exit_code for state in CheckLevel] == [0, 1, 2]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "2 runs in 1 projects"),
        ({"runs": 0, "projects": 0, "notes": 1234}, "1,234 notes"),
        ({"notes": 3}, "2 runs in 1 projects and 3 notes"),
        ({"runs": 0, "projects": 0}, "nothing is recorded yet"),
    ],
)
def test_a_store_is_said_to_have_what_it_has(fields: dict[str, Any], words: str) -> None:
    (store,) = [check for check in build_folder_checks(changed(**fields), PLENTY) if check.name == "store"]
    assert store.found == f"/data/store.1.db has everything: {words}"
