"""`POST /api/upload`: receive multipart forms, and store their files as blobs.

A later call assigns the files to runs.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from tasuki.blobs import Blob, BlobWriter
from tasuki.server.http.problems import HttpProblem

__all__ = ["MAX_UPLOAD_BYTES", "StagedFile", "Uploads"]

MAX_UPLOAD_BYTES = 1024 * 1024 * 1024
MAX_FILES = 100
MAX_CONCURRENT_UPLOADS = 16
PART_TIMEOUT_SECONDS = 60.0
MAX_STAGED_FILES = 10_000
FILE_FIELD = "files"


class StagedFile(NamedTuple):
    """An uploaded file: its blob, and the file name that the client sent."""

    blob: Blob
    name: str


class Uploads:
    """Uploaded files by upload id, kept until the server stops (at most 10,000, the latest).

    For the event loop only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staged_files: dict[str, StagedFile] = {}
        self.active_uploads = 0

    def find(self, upload_id: str) -> StagedFile:
        """Return the file of an upload id.

        Raise 400 if the id is unknown: the client must upload the file again.
        """
        found = self.staged_files.get(upload_id)
        if found is None:
            raise HttpProblem(
                400, f"no file was uploaded as {upload_id[:100]!r} since the server has started", hint="upload it again"
            )
        return found

    @contextmanager
    def reserve_slot(self) -> Iterator[None]:
        """Reserve one of the concurrent upload slots for the block. Raise 429 if all are taken."""
        if self.active_uploads >= MAX_CONCURRENT_UPLOADS:
            raise HttpProblem(429, f"{MAX_CONCURRENT_UPLOADS} uploads are under way", hint="send it again", retry_after_seconds=1)
        self.active_uploads += 1
        try:
            yield
        finally:
            self.active_uploads -= 1

    async def receive(self, request: Request[Any, Any, Any]) -> list[str]:
        """Store the files of a form, and return their upload ids.

        Raise 400 if the form is invalid, 408 if no data arrives for 60 s, 429 if too many uploads are in progress, 503 if a
        file cannot be written.
        """
        kind, options = request.content_type
        boundary = options.get("boundary")
        if kind != "multipart/form-data" or not boundary:
            raise HttpProblem(400, "an upload is a form: multipart/form-data", hint=f"with a file named {FILE_FIELD!r}")
        with self.reserve_slot():
            try:
                found = [staged async for staged in self.read_files(request, boundary)]
            except (MultipartError, UnicodeError) as error:
                raise HttpProblem(400, f"the form can't be read: {error}") from error
            except TimeoutError as error:
                raise HttpProblem(408, f"nothing came for {PART_TIMEOUT_SECONDS:g} s", hint="send it again") from error
            except OSError as error:
                raise HttpProblem(503, f"the file can't be written: {error.strerror}", hint="is there room on the disk?") from error
        words = [secrets.token_hex(16) for _ in found]
        self.staged_files |= zip(words, found, strict=True)
        for word in list(self.staged_files)[: max(0, len(self.staged_files) - MAX_STAGED_FILES)]:
            del self.staged_files[word]
        return words

    async def read_files(self, request: Request[Any, Any, Any], boundary: str) -> AsyncIterator[StagedFile]:
        """Yield each file of a form, written to a blob as it arrives. Skip other fields."""
        draft: BlobWriter | None = None
        name = ""
        try:
            with PushMultipartParser(boundary, max_segment_count=MAX_FILES) as parser:
                async for part in read_parts(request):
                    for event in parser.parse(part):
                        if isinstance(event, MultipartSegment):
                            name = event.filename or ""
                            draft = BlobWriter(self.folder) if event.name == FILE_FIELD and event.filename else None
                        elif event is not None and draft is not None:
                            draft.write(event)
                        elif event is None and draft is not None:
                            yield StagedFile(await asyncio.to_thread(draft.commit), name)
                            draft.close()
                            draft = None
        finally:
            if draft is not None:
                draft.close()


async def read_parts(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, then b"" as the end mark.

    Raise TimeoutError if no data arrives for 60 s.
    """
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(PART_TIMEOUT_SECONDS):
                part = await anext(stream)
        except StopAsyncIteration:
            break
        if part:
            yield part
    yield b""
