"""Appenders that are closed after the test, and a limit on the size of files: the kernel's own short write."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tasuki.journal import Appender
from tasuki.testing import FakeClock

OpenAppender = Callable[..., Appender]
FileSizeLimit = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a project's journals lie."""
    return tmp_path / "journal" / "p-1"


@pytest.fixture
def open_appender(folder: Path) -> Iterator[OpenAppender]:
    """Makes appenders whose files lie in `folder`."""
    opened = []

    def make(**options: Any) -> Appender:
        appender = Appender(project="p", run="r", folder=folder, lock_folder=folder, clock=FakeClock(), **options)
        appender.open()
        opened.append(appender)
        return appender

    yield make
    for appender in opened:
        appender.close()


@pytest.fixture
def appender(open_appender: OpenAppender) -> Appender:
    """An open appender."""
    return open_appender()


@pytest.fixture
def file_size_limit() -> FileSizeLimit:
    """Within it no file of this process grows past so many bytes: a write stops short there, the next one fails with EFBIG."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
