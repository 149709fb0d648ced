"""Makes the golden journals of this version: `python -m tests.golden.make tests/golden/0.1.0`.

It is run once a release, and what it made is never changed: later versions must read it. Ids and times are fixed. `expected.json`
is written from the literals below, not from what was read back.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import msgspec

from tasuki.journal import JournalHeader
from tasuki.journal.seal import write_sealed_file
from tasuki.records import JOBS_PROJECT, encode_frame

BEGAN = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
LIVE, SEALED, NOTES, FILES, JOBS_TOLD = (f"{number:032}" for number in (1, 2, 3, 4, 5))
RUN = "abcd2345"
LONG = "x" * 300
TORN = encode_frame(msgspec.msgpack.encode(["heartbeat", BEGAN + 99]))[:-2]

Fields = dict[str, Any]


def metrics(n: int, values: dict[Any, Any], *, step: int | None = None) -> Fields:
    return {"kind": "metrics", "time": BEGAN + n, "step": n if step is None else step, "values": values}


STARTED: Fields = {
    "kind": "run.started",
    "time": BEGAN,
    "attempt": "0123456789abcdef",
    "name": "lr-0.1",
    "group": "sweep",
    "notes": "ünïcode ✓",
    "tags": ["base", "digits"],
    "config": {"lr": 0.1, "layers": [64, 10], "deep": {"er": None, "yes": True}},
    "environment": {"host": "node7", "python": "3.11.2", "argv": ["train.py", "--lr", "0.1"]},
}
ALERT: Fields = {
    "kind": "alert",
    "time": BEGAN + 20,
    "title": "loss is not a number",
    "level": "error",
    "text": "since step 3",
    "reason": "nan",
    "metric": "train/loss",
    "value": math.nan,
    "step": 3,
    "data": {"window": 50, "list": [1, 2.5, None]},
}
LIVE_RECORDS: list[Fields] = [
    STARTED,
    metrics(1, {"train/loss": 0.3, "train/acc": 0.9}),
    metrics(2, {"train/loss": math.nan, "up": math.inf, "down": -math.inf, "zero": -0.0, "tiny": 5e-324}),
    metrics(3, {"nested": {"a": {"b": 1}, "c": 2.5}, "whole": 7, "big": 2**63, "yes": True, "": 0.5}, step=-(2**63)),
    metrics(4, {"float32": 0.10000000149011612, "é/日本": 1.0}, step=2**63 - 1),
    ALERT,
    {"kind": "run.updated", "time": BEGAN + 30, "name": "renamed", "group": None, "notes": None, "config": {"lr": 0.2},
     "tags_added": ["best"], "tags_removed": ["base"]},
    {"kind": "heartbeat", "time": BEGAN + 40},
    {"kind": "job.progress", "time": BEGAN + 50, "fields": ["of a later version", {"done": 0.5}]},
    {"kind": "lost", "time": BEGAN + 60, "n": 12, "since": BEGAN + 51, "until": BEGAN + 59},
    {"kind": "run.progress", "time": BEGAN + 70, "attempt": "0123456789abcdef", "done": 40, "total": 100, "rate": 2.5},
    {"kind": "run.text", "time": BEGAN + 72, "attempt": "0123456789abcdef", "name": "stdout", "text": "epoch 1 ✓\n"},
    {"kind": "run.stop", "time": BEGAN + 75, "attempt": "0123456789abcdef", "reason": "diverges ✓", "by": "ada@node7"},
]  # fmt: skip
SEALED_RECORDS: list[list[Fields]] = [  # one list a block
    [
        {"kind": "salvaged", "time": BEGAN, "writer": LIVE, "hole": 100, "offset": 200},
        STARTED | {"name": None, "group": None, "notes": None, "tags": [], "config": {}, "environment": {}},
        *(metrics(n, {"train/loss": n / 7}) for n in range(1, 40)),
    ],
    [ALERT | {"level": "info", "text": LONG, "reason": None, "metric": None, "value": None, "step": None, "data": None}],
    [
        {"kind": "run.status", "time": BEGAN + 80, "attempt": "0123456789abcdef", "status": "failed", "reason": "out of memory"},
        {"kind": "run.deleted", "time": BEGAN + 90},
    ],
]

CORRECTION: Fields = {
    "kind": "correction",
    "time": BEGAN + 1,
    "event_id": "a" * 32,
    "session": 12,
    "draft": "thee ünïcode",
    "final": "the ünïcode ✓",
    "category": "TONE",
    "severity": "major",
    "description": "spelling",
    "context": {"form": "a.md", "lines": [1, 2]},
    "more": {"created_at": "2027-01-15", "of a later client": None},
}
NOTES_RECORDS: list[Fields] = [
    CORRECTION,
    CORRECTION | {"time": BEGAN + 2},  # delivered twice
    CORRECTION | {"time": BEGAN + 3, "final": "something else"},
    {"kind": "lesson", "time": BEGAN + 4, "event_id": "b" * 32, "session": None, "text": LONG, "confidence": 0.8, "category": None,
     "more": {}},
    {"kind": "event", "time": BEGAN + 5, "event_id": "c" * 32, "session": -1, "name": "saved", "data": [1, {"a": 2.5}], "more": {}},
    {"kind": "meta_rule", "time": BEGAN + 6, "event_id": "d" * 32, "session": None, "more": {"principle": "less is more"}},
    {"kind": "manifest", "time": BEGAN + 7, "event_id": "e" * 32, "session": None, "more": {"version": 3}},
]  # fmt: skip
FILES_RECORDS: list[Fields] = [
    STARTED,
    {"kind": "delivered", "time": BEGAN + 1, "ids": "0123456789abcdef" * 4, "system": 1},
    {"kind": "file", "time": BEGAN + 2, "path": "7f.png", "key": "samples/ünï", "step": 3, "form": "image", "caption": "✓",
     "sha256": None, "size": None, "media_type": None, "content": None},
    {"kind": "file", "time": BEGAN + 3, "path": "7f.png", "key": None, "step": None, "form": None, "caption": None,
     "sha256": "0f" * 32, "size": 2**40, "media_type": "image/png", "content": None},
    {"kind": "file", "time": BEGAN + 4, "path": None, "key": "hist", "step": -1, "form": "histogram", "caption": None,
     "sha256": "1f" * 32, "size": 300, "media_type": "application/json", "content": LONG},
]  # fmt: skip

OBSERVED: Fields = {
    "kind": "job.observed", "time": BEGAN + 2, "job": "a1b2c3d4e5f6", "attempt": 1, "source": "poller", "status": "running",
    "raw_status": "processing", "external_id": "gm3qorzdhgbfurvjtvhg6dckhu", "started": BEGAN + 1, "ended": None, "cost_usd": None,
    "cost_is_final": False, "hardware_type": "gpu-t4", "error_message": None, "output_url": None, "cancel_requested": False,
    "candidates": None, "metadata": {},
}  # fmt: skip
JOB_RECORDS: list[Fields] = [
    {"kind": "job.created", "time": BEGAN, "job": "a1b2c3d4e5f6", "provider": "replicate", "account": "acme", "external_id": None,
     "created": None, "user_id": "anna", "config_name": "flux ✓", "hardware_type": None, "command": [],
     "metadata": {"team": "vision", "n": [1, 2.5, None]}},
    OBSERVED,
    OBSERVED | {"time": BEGAN + 3, "status": "completed", "raw_status": "succeeded", "ended": BEGAN + 9, "cost_usd": 0.5,
                "cost_is_final": True, "output_url": "https://example.org/out.png"},
    OBSERVED | {"time": BEGAN + 4},  # late, and twice
    {"kind": "job.created", "time": BEGAN + 5, "job": "0123456789ab", "provider": "local", "account": "node7", "external_id": None,
     "created": BEGAN + 1, "user_id": None, "config_name": None, "hardware_type": None, "command": ["python", "train.py"],
     "metadata": {}},
    {"kind": "job.observed", "time": BEGAN + 6, "job": "0123456789ab", "attempt": 2, "source": "queue", "status": None,
     "raw_status": "odd", "external_id": None, "started": None, "ended": None, "cost_usd": None, "cost_is_final": False,
     "hardware_type": None, "error_message": "why", "output_url": None, "cancel_requested": True, "candidates": ["x", "y"],
     "metadata": {"kept": True}},
    {"kind": "job.deleted", "time": BEGAN + 7, "job": "0123456789ab"},
    {"kind": "job.provider", "time": BEGAN + 8, "provider": "replicate", "account": "acme", "degraded": True, "detail": "500"},
]  # fmt: skip


def framed(fields: Fields) -> bytes:
    """A record as the array that the format is."""
    kind, time, *rest = fields.values()
    return encode_frame(msgspec.msgpack.encode([kind, time, *(fields.get("fields") or rest)]))


def header(writer: str, run: str = RUN, project: str = "golden ✓") -> JournalHeader:
    """A header whose owner is long gone."""
    return JournalHeader(
        writer=writer,
        project=project,
        run=run,
        boot="00000000-0000-4000-8000-000000000000",
        pid_namespace="pid:[4026531836]",
        pid=4242,
        pid_start=123456,
        created=BEGAN,
    )


def expected(writer: str, records: list[Fields], run: str = RUN, project: str = "golden ✓", **end: Any) -> dict[str, Any]:
    """What a reader makes of a journal."""
    offset, lines = 0, []
    for fields in records:
        lines.append({"offset": offset, **fields})
        offset += len(framed(fields))
    return {"writer": writer, "project": project, "run": run, "end": offset, "records": lines, **end}


def main(folder: Path) -> None:
    """Write the journals and what is expected of them."""
    folder.mkdir(parents=True)
    live = b"".join(map(framed, LIVE_RECORDS))
    (folder / f"{LIVE}.tsk").write_bytes(header(LIVE).encode() + live + TORN)
    (folder / f"{FILES}.tsk").write_bytes(header(FILES).encode() + b"".join(map(framed, FILES_RECORDS)))
    (folder / f"{NOTES}.tsk").write_bytes(header(NOTES, "").encode() + b"".join(map(framed, NOTES_RECORDS)))
    told = header(JOBS_TOLD, "", JOBS_PROJECT).encode() + b"".join(map(framed, JOB_RECORDS))
    (folder / f"{JOBS_TOLD}.tsk").write_bytes(told)
    blocks = [b"".join(map(framed, block)) for block in SEALED_RECORDS]
    draft, _ = write_sealed_file(folder / "draft", header(SEALED), blocks)
    draft.rename(folder / f"{SEALED}.tsk")
    answers = [
        expected(LIVE, LIVE_RECORDS, sealed=False),
        expected(NOTES, NOTES_RECORDS, "", sealed=False),
        expected(FILES, FILES_RECORDS, sealed=False),
        expected(JOBS_TOLD, JOB_RECORDS, "", JOBS_PROJECT, sealed=False),
        expected(SEALED, [fields for block in SEALED_RECORDS for fields in block], sealed=True),
    ]
    (folder / "expected.json").write_text(json.dumps(answers, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
