"""One zstd compressor and decompressor for each thread."""

import threading

import zstandard

__all__ = ["ZstdCodecs"]


class ZstdCodecs(threading.local):
    """A compressor and decompressor per thread: neither is thread-safe, and both are expensive to make."""

    def __init__(self, level: int, *, write_content_size: bool = True) -> None:
        self.compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=write_content_size)
        self.decompressor = zstandard.ZstdDecompressor()
