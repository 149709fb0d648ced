from pathlib import Path

from tasuki.journal import RESERVE_BYTES
from tasuki.journal.disk_reserve import DiskReserve
from tests.unit.journal.conftest import FileSizeLimit


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_it_holds_room_under_the_name_of_its_writer(tmp_path: Path):
    assert DiskReserve(tmp_path).keep("a")
    assert sizes(tmp_path) == {"a.reserve": RESERVE_BYTES}


def test_it_passes_from_writer_to_writer(tmp_path: Path):
    reserve = DiskReserve(tmp_path)
    reserve.keep("a")
    assert reserve.keep("b")
    assert sizes(tmp_path) == {"b.reserve": RESERVE_BYTES}


def test_it_holds_what_room_there_is_and_the_rest_when_there_is_more(tmp_path: Path, file_size_limit: FileSizeLimit):
    reserve = DiskReserve(tmp_path)
    with file_size_limit(1000):
        assert not reserve.keep("a")
        assert sizes(tmp_path) == {"a.reserve": 1000}
        assert not reserve.keep("a")
    assert reserve.keep("a")
    assert sizes(tmp_path) == {"a.reserve": RESERVE_BYTES}


def test_it_is_given_up_once(tmp_path: Path):
    reserve = DiskReserve(tmp_path)
    reserve.keep("a")
    assert reserve.give_up()
    assert not reserve.give_up()
    assert sizes(tmp_path) == {}


def test_it_is_made_anew_when_somebody_has_deleted_it(tmp_path: Path):
    reserve = DiskReserve(tmp_path)
    reserve.keep("a")
    for name in ("a", "b"):
        (tmp_path / "a.reserve").unlink()
        assert reserve.bytes == 0
        assert reserve.keep(name)
        assert sizes(tmp_path) == {f"{name}.reserve": RESERVE_BYTES}
        reserve.keep("a")
