"""`tasuki serve --demo-jobs`: a fake Replicate whose jobs make progress."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from tasuki.errors import TasukiError
from tasuki.settings import PollingSettings, Settings

__all__ = ["with_demo_jobs"]

FAKE_REPLICATE_COMMAND = [sys.executable, "-c", "from tasuki.testing.fake_replicate import main; main()", "--play", "--jobs", "5"]
FAKE_TOKEN = "r8_fake"
POLL_SECONDS = 2.0


@contextmanager
def with_demo_jobs(settings: Settings) -> Iterator[Settings]:
    """The settings with a fake of Replicate that lives as long as the block."""
    with subprocess.Popen(FAKE_REPLICATE_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise TasukiError("the fake of Replicate did not start")
            replicate = msgspec.structs.replace(
                settings.providers.replicate, token=FAKE_TOKEN, base_url=url, version="demo", hardware="gpu-t4", webhook_url=None
            )
            polling = PollingSettings(enabled=True, interval_seconds=POLL_SECONDS)
            yield msgspec.structs.replace(
                settings,
                providers=msgspec.structs.replace(settings.providers, replicate=replicate),
                background=msgspec.structs.replace(settings.background, job_status_polling=polling),
            )
        finally:
            process.stdin.close()
