"""Journals that released versions have written are read by today's code, and by the reader of docs/format.md."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.journal import open_journal, seal
from tasuki.records import JobRecord, JobStatus, Note, Record, UnknownRecord, decode, encode, iterate_frames
from tasuki.settings import load
from tasuki.store import JobFilter, JobQueries, open_folder_store
from tests.golden.make import (
    FILES_RECORDS,
    JOB_RECORDS,
    JOBS_TOLD,
    LIVE,
    LIVE_RECORDS,
    NOTES,
    NOTES_RECORDS,
    SEALED,
    SEALED_RECORDS,
    framed,
)
from tests.support.journals import records_of, write_journal

HERE = Path(__file__).parent
VERSIONS = sorted(path for path in HERE.iterdir() if path.is_dir() and path.name[0].isdigit())
JOURNALS = [path for version in VERSIONS for path in sorted(version.glob("*.tsk"))]
FAMILIES = (Note, JobRecord)
KINDS = [kind for kind in (*Record.__subclasses__(), *Note.__subclasses__(), *JobRecord.__subclasses__()) if kind not in FAMILIES]
Unpack = Callable[[bytes, int], tuple[Any, int]]
FORMAT = HERE.parents[1] / "docs/format.md"


def same(value: Any) -> str:
    """Something to compare by: NaN is NaN, -0.0 is not 0.0, 1 is not 1.0."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def expected(path: Path) -> dict[str, Any]:
    """What was written into a journal."""
    (found,) = [one for one in json.loads((path.parent / "expected.json").read_text()) if one["writer"] == path.stem]
    return found


def fields_of(payload: bytes) -> dict[str, Any]:
    """A record as today's code understands it."""
    record = decode(payload)
    if isinstance(record, UnknownRecord):
        return {"kind": record.kind, "time": record.time, "fields": msgspec.msgpack.decode(payload)[2:]}
    return {"kind": record.__struct_config__.tag, **msgspec.structs.asdict(record)}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader of docs/format.md."""
    (block,) = re.findall(r"^```python\n(.*?)^```", FORMAT.read_text(), re.DOTALL | re.MULTILINE)
    path = tmp_path_factory.mktemp("reader") / "reader.py"
    path.write_text(block)
    return path


@pytest.fixture(scope="module")
def unpack(reader: Path) -> Unpack:
    """Its decoder of MessagePack."""
    names: dict[str, Any] = {}
    exec(compile(reader.read_text().split("for path in sys.argv")[0], reader, "exec"), names)
    return names["unpack"]


def lines_of(reader: Path, *journals: Path, flags: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What the reader prints."""
    done = subprocess.run([sys.executable, *flags, reader, *journals], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_there_are_journals_of_this_version():
    names = {path.relative_to(HERE).as_posix() for path in JOURNALS}
    assert names >= {f"0.1.0/{LIVE}.tsk", f"0.1.0/{SEALED}.tsk"}


def test_every_kind_of_record_is_in_them():
    kinds = {kind.__struct_config__.tag for kind in KINDS}
    written = {record["kind"] for path in JOURNALS for record in expected(path)["records"]}
    assert written >= kinds
    assert "job.progress" in written


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: f"{path.parent.name}-{path.stem[-1]}")
def test_todays_code_reads_a_golden_journal_exactly(path: Path):
    with open_journal(path) as view:
        data = b"".join(view.read_pieces())
        found = {
            "writer": view.header.writer,
            "project": view.header.project,
            "run": view.header.run,
            "end": view.find_end().offset,
            "records": [{"offset": offset, **fields_of(payload)} for offset, payload in iterate_frames(data)],
            "sealed": view.header.is_sealed,
        }
    assert same(found) == same(expected(path))


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: f"{path.parent.name}-{path.stem[-1]}")
def test_the_reader_of_the_format_page_reads_a_golden_journal_exactly(path: Path, reader: Path):
    head, *records = lines_of(reader, path)
    answer = expected(path)
    assert same(records) == same(answer["records"])
    assert head == {key: answer[key] for key in ("writer", "project", "run", "sealed")}


def test_the_reader_has_at_most_100_lines_and_needs_no_tasuki(reader: Path):
    assert len(reader.read_text().splitlines()) <= 100
    live = [path for path in JOURNALS if not expected(path)["sealed"]]
    assert lines_of(reader, *live, flags=("-I", "-S")) != []  # -S: the standard library alone


def test_todays_code_writes_what_the_format_page_says():
    for fields in [
        *LIVE_RECORDS,
        *NOTES_RECORDS,
        *FILES_RECORDS,
        *JOB_RECORDS,
        *(fields for block in SEALED_RECORDS for fields in block),
    ]:
        ((_, payload),) = iterate_frames(framed(fields))
        record = decode(payload)
        if isinstance(record, Record):
            assert same(msgspec.msgpack.decode(encode(record))) == same(list(fields.values()))


def test_the_format_page_lists_every_kind_and_field():
    for kind in KINDS:
        names = ", ".join(kind.__struct_fields__[1:])
        assert re.search(rf"^\| `{re.escape(kind.__struct_config__.tag)}` \| {names}( \||\|)", FORMAT.read_text(), re.MULTILINE)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    )
)
def test_the_reader_reads_any_value(value: Any, unpack: Unpack):
    data = msgspec.msgpack.encode(value)
    assert same(unpack(data, 0)) == same([value, len(data)])


@pytest.mark.parametrize("size", [31, 32, 255, 256, 65_535, 65_536])
def test_the_reader_reads_values_of_any_size(size: int, unpack: Unpack):
    for value in ("x" * size, [1] * size, {str(n): n for n in range(size)}):
        assert unpack(msgspec.msgpack.encode(value), 0)[0] == value


def test_the_reader_stops_where_tasuki_stops(tmp_path: Path, reader: Path):
    path = write_journal(tmp_path, [record for record in records_of(HERE / f"0.1.0/{LIVE}.tsk") if isinstance(record, Record)])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert len(lines_of(reader, path)) - 1 == len(records_of(path)) > 0


def test_the_reader_refuses_a_foreign_file(tmp_path: Path, reader: Path):
    (tmp_path / "x.tsk").write_bytes(b"SQLite format 3\x00" + bytes(100))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        lines_of(reader, tmp_path / "x.tsk")
    assert b"not a journal of format 1" in failed.value.stderr.encode()


def test_a_golden_journal_is_projected(tmp_path: Path):
    folder = tmp_path / "journal" / "golden"
    folder.mkdir(parents=True)
    shutil.copy(HERE / f"0.1.0/{LIVE}.tsk", folder)
    seal(folder / f"{LIVE}.tsk")
    with open_folder_store(load({}, dir=str(tmp_path)), wait_seconds=None) as store:
        (run,) = store.runs("golden ✓")
        assert (run.name, run.tags, run.lost, run.status) == ("renamed", ["best", "digits"], 12, "crashed")
        assert run.config == {"lr": 0.2, "layers": [64, 10], "deep": {"er": None, "yes": True}}
        assert [row.step for row in store.history("golden ✓", run.id)] == [-(2**63), 1, 2, 2**63 - 1]
        assert [alert.title for alert in store.alerts("golden ✓")] == ["loss is not a number"]


def test_golden_notes_are_projected(tmp_path: Path):
    folder = tmp_path / "journal" / "golden"
    folder.mkdir(parents=True)
    shutil.copy(HERE / f"0.2.0/{NOTES}.tsk", folder)
    with open_folder_store(load({}, dir=str(tmp_path)), wait_seconds=None) as store:
        rows = store.notes("golden ✓")
        assert [(row.kind, row.event_id, row.conflict) for row in rows] == [
            ("correction", "a" * 32, False), ("correction", "a" * 32, True), ("lesson", "b" * 32, False),
            ("event", "c" * 32, False), ("meta_rule", "d" * 32, False), ("manifest", "e" * 32, False),
        ]  # fmt: skip
        assert rows[0].content["context"] == {"file": "a.md", "lines": [1, 2]}


def test_golden_jobs_are_projected(tmp_path: Path):
    folder = tmp_path / "journal" / "golden"
    folder.mkdir(parents=True)
    shutil.copy(HERE / f"0.5.0/{JOBS_TOLD}.tsk", folder)
    with open_folder_store(load({}, dir=str(tmp_path)), wait_seconds=None) as store:
        (row,) = store.run_query(lambda queries: JobQueries(queries.db).page(JobFilter()))
        assert (row.job.status, row.job.cost_usd, row.job.user_id) == (JobStatus.COMPLETED, 0.5, "anna")
        assert [one.provider for one in store.run_query(lambda queries: JobQueries(queries.db).degraded_providers())] == [
            "replicate"
        ]
