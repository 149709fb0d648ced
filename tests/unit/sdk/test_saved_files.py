"""Files that a run keeps."""

import hashlib
from pathlib import Path

import pytest

import tasuki
from tasuki.errors import ConfigError
from tasuki.records import File
from tests.support.journals import journals, records_of


def kept(folder: Path) -> list[File]:
    """The records of files in a data folder's journals."""
    return [record for path in journals(folder) for record in records_of(path) if isinstance(record, File)]


def test_a_short_text_is_in_the_record_and_anything_else_in_a_blob(data_dir: Path, tmp_path: Path):
    contents = {"a.yaml": b"lr: 0.1\r\n", "long.txt": b"x" * 70_000, "weights.bin": b"\0\xff", "latin.txt": b"\xe9"}
    with tasuki.init("digits") as run:
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
            run.save(tmp_path / name)
    found = {record.path: record for record in kept(data_dir)}
    assert found.keys() == contents.keys()
    for name, content in contents.items():
        record = found[name]
        assert (record.sha256, record.size) == (hashlib.sha256(content).hexdigest(), len(content))
        if name == "a.yaml":
            assert record.content == content.decode()
        else:
            assert record.content is None
            assert (data_dir / "blobs" / str(record.sha256)).read_bytes() == content
    assert len(list((data_dir / "blobs").iterdir())) == 3


def test_the_same_content_is_kept_once_and_the_names_lead_nowhere(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.bin").write_bytes(b"\0")
    monkeypatch.chdir(tmp_path)
    with tasuki.init("digits"):
        tasuki.save("out/a.bin", step=3, caption="first")
        tasuki.save("out/../out/a.bin")
        tasuki.save(tmp_path / "out" / "a.bin", "weights/last.bin")
    assert [record.path for record in kept(data_dir)] == ["out/a.bin", "a.bin", "weights/last.bin"]
    assert [path.name for path in (data_dir / "blobs").iterdir()] == [hashlib.sha256(b"\0").hexdigest()]


def test_what_is_no_file_is_refused_by_name(data_dir: Path, tmp_path: Path):
    with tasuki.init("digits") as run:
        for path in (tmp_path, tmp_path / "nothing"):
            with pytest.raises(ConfigError, match="can't be kept"):
                run.save(path)
    assert kept(data_dir) == []
