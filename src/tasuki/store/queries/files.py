"""Files as they are asked for: what the records of each say together, and the content of one."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tasuki.records import FileRow

__all__ = ["SELECT_CONTENT", "SELECT_FILES", "FileContent", "build_file_rows"]

SELECT_FILES = """
SELECT f.writer, f."offset", f.run, coalesce(run.name, f.run), f.time, path, f.key, step, form, caption, sha256, size, media_type
FROM file f LEFT JOIN run ON run.project = f.project AND run.id = f.run
WHERE f.project = ?1 AND (?2 IS NULL OR f.run = ?2) ORDER BY f.clock, f.writer, f."offset"
"""
SELECT_CONTENT = """
SELECT coalesce(path, key, 'file'), media_type, content FROM file
WHERE project = ? AND run = ? AND sha256 = ? ORDER BY content IS NULL, clock DESC, writer DESC, "offset" DESC LIMIT 1
"""
MERGED_FIELDS = ("key", "step", "form", "caption", "sha256", "size", "media_type")


class FileContent(NamedTuple):
    """A run's content by sha256: name, media type, and the bytes unless they lie in `blobs`."""

    name: str
    media_type: str | None
    content: str | None


def build_file_rows(project: str, records: Iterable[tuple[Any, ...]]) -> list[FileRow]:
    """Merge file records: one file per path, at its first mention, updated by later records."""
    files: dict[Any, dict[str, Any]] = {}
    for writer, offset, run, run_name, time, path, *said in records:
        id = f"{writer}:{offset}"
        first = {"id": id, "project": project, "run": run, "run_name": run_name, "name": path or said[0] or "file"}
        file = files.setdefault((run, path) if path else id, first)
        file |= {"time": time, **{name: value for name, value in zip(MERGED_FIELDS, said, strict=True) if value is not None}}
    return [FileRow(**file) for file in files.values()]
