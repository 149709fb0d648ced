"""Static files of the web page, from the package `tasuki.web`."""

import asyncio
import gzip
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from litestar import Request, Response, get
from litestar.params import FromPath

from tasuki.server.auth.guards import PUBLIC, requires
from tasuki.server.http.problems import HttpProblem

__all__ = ["STATIC_ROUTES"]

PACKAGE = "tasuki.web"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}
MIN_GZIP_BYTES = 1024


class StaticFile(NamedTuple):
    """Content of a file, and its gzip form if the file has at least 1 KiB."""

    tag: str
    body: bytes
    gzipped: bytes | None


FILE_CACHE: dict[str, StaticFile] = {}


def iter_files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield every servable file below a folder with its path."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from iter_files(entry, f"{prefix}{entry.name}/")
        elif PurePosixPath(entry.name).suffix in MEDIA_TYPES:
            yield f"{prefix}{entry.name}", entry


def load_file(path: str) -> StaticFile:
    """Return a file of the web page. Raise 404 if it does not exist."""
    entry = dict(iter_files(files(PACKAGE) / "static")).get(path)
    if entry is None:
        raise HttpProblem(404, f"there is no page /{path[:100]}", hint="the page is at /, the API in docs/api.md")
    body = entry.read_bytes()
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    known = FILE_CACHE.get(path)
    if known is None or known.tag != tag:
        packed = gzip.compress(body, 6, mtime=0) if len(body) >= MIN_GZIP_BYTES else None
        known = FILE_CACHE[path] = StaticFile(tag, body, packed)
    return known


@get(["/", "/{path:path}"], include_in_schema=False, opt=requires(PUBLIC))
async def page(request: Request[Any, Any, Any], path: FromPath[str] = "/") -> Response[bytes]:
    """Serve a file of the web page; `/` is its index."""
    name = path.lstrip("/") or "index.html"
    file = await asyncio.to_thread(load_file, name)
    headers = {"ETag": f'"{file.tag}"', "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    media_type = MEDIA_TYPES[PurePosixPath(name).suffix]
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    if file.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.gzipped, headers=headers | {"Content-Encoding": "gzip"}, media_type=media_type)
    return Response(file.body, headers=headers, media_type=media_type)


STATIC_ROUTES = [page]
