from pathlib import Path

from tasuki.journal import RESERVE_BYTES
from tasuki.journal.disk_reserve import DiskReserve
from tests.unit.journal.conftest import FileSizeLimit


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_it_holds_room_under_the_name_of_its_writer(tmp_path: Path):
    assert DiskReserve(tmp_path).fill("a")
    assert sizes(tmp_path) == {"a.reserve": RESERVE_BYTES}


def test_it_passes_from_writer_to_writer(tmp_path: Path):
    reserve = DiskReserve(tmp_path)
    reserve.fill("a")
    assert reserve.fill("b")
    assert sizes(tmp_path) == {"b.reserve": RESERVE_BYTES}


def test_it_holds_what_room_there_is_and_the_rest_when_there_is_more(tmp_path: Path, file_size_limit: FileSizeLimit):
    reserve = DiskReserve(tmp_path)
    with file_size_limit(1000):
        assert not reserve.fill("a")
        assert sizes(tmp_path) == {"a.reserve": 1000}
        assert not reserve.fill("a")
    assert reserve.fill("a")
    assert sizes(tmp_path) == {"a.reserve": RESERVE_BYTES}


def test_it_is_given_up_once(tmp_path: Path):
    reserve = DiskReserve(tmp_path)
    reserve.fill("a")
    assert reserve.release()
    assert not reserve.release()
    assert sizes(tmp_path) == {}


def test_it_is_made_anew_when_somebody_has_deleted_it(tmp_path: Path):
    reserve = DiskReserve(tmp_path)
    reserve.fill("a")
    for name in ("a", "b"):
        (tmp_path / "a.reserve").unlink()
        assert reserve.size == 0
        assert reserve.fill(name)
        assert sizes(tmp_path) == {f"{name}.reserve": RESERVE_BYTES}
        reserve.fill("a")
