"""Parse and complete the options of `tasuki job`."""

import base64
import json
import mimetypes
from pathlib import Path
from typing import Any

from tasuki.cli.job.tables import get_job_name
from tasuki.errors import ConfigError

__all__ = [
    "complete_job",
    "complete_provider",
    "complete_provider_or_host",
    "complete_status",
    "parse_environment",
    "parse_inputs",
    "parse_pairs",
]  # fmt: skip

MAX_COMPLETIONS = 200


def parse_pairs(pairs: list[str], option: str) -> dict[str, Any]:
    """Parse NAME=VALUE pairs, values as JSON if possible, else as text. Raise ConfigError if invalid."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ConfigError(f"{option} {pair} has no value", hint=f"{option} NAME=VALUE")
        found[name] = parse_value(value)
    return found


def parse_value(text: str) -> Any:
    """Parse a number, true, a list, … or text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_inputs(pairs: list[str]) -> dict[str, Any]:
    """Parse inputs like pairs; a value @FILE is a file's content as a data URI."""
    found = parse_pairs(pairs, "--input")
    files = {name: value[1:] for name, value in found.items() if isinstance(value, str) and value.startswith("@")}
    return found | {name: read_data_uri(path) for name, path in files.items()}


def read_data_uri(path: str) -> str:
    """Return a file's content as a data URI. Raise ConfigError if it cannot be read."""
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    try:
        return f"data:{kind};base64,{base64.b64encode(Path(path).expanduser().read_bytes()).decode()}"
    except OSError as error:
        raise ConfigError(f"the input {path} can't be read: {error.strerror}") from error


def parse_environment(pairs: list[str]) -> dict[str, str]:
    """Parse variables; one without a value is taken from this environment.

    Raise ConfigError if it is not set.
    """
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        found[name] = value if equals else get_variable(name)
    return found


def get_variable(name: str) -> str:
    """Return a variable of this environment."""
    from tasuki.settings import own_variable

    value = own_variable(name)
    if value is None:
        raise ConfigError(f"the variable {name} is not set here", hint=f"--env {name}=VALUE")
    return value


# -- what a shell completes


def complete_job(ctx: Any, incomplete: str) -> list[tuple[str, str]]:
    """Complete job ids; nothing without a store: a shell must not see errors."""
    from tasuki.errors import TasukiError
    from tasuki.sdk.jobs import FolderJobs
    from tasuki.settings import load
    from tasuki.store import JobFilter

    try:
        settings = load(dir=ctx.params.get("dir"))
        if not settings.dir.is_dir():
            return []
        with FolderJobs(settings) as folder:
            found = folder.run(folder.jobs.list_jobs(JobFilter(), limit=MAX_COMPLETIONS)).jobs  # as it is: a look starts what waits
    except (TasukiError, OSError):
        return []
    return [(job.job_id, f"{get_job_name(job)} · {job.status}") for job in found if job.job_id.startswith(incomplete)]


def complete_provider(incomplete: str) -> list[str]:
    """Complete providers."""
    from tasuki.jobs import PROVIDERS

    return [name for name in PROVIDERS if name.startswith(incomplete)]


def complete_provider_or_host(ctx: Any, incomplete: str) -> list[str]:
    """Complete providers and hosts; nothing if the hosts cannot be read."""
    from tasuki.errors import TasukiError
    from tasuki.hpc.host import HostsFile
    from tasuki.settings import load

    try:
        hosts = [site.name for site in HostsFile(load(dir=ctx.params.get("dir")).dir).list_hosts()]
    except (TasukiError, OSError):
        hosts = []
    return [*complete_provider(incomplete), *(name for name in hosts if name.startswith(incomplete))]


def complete_status(incomplete: str) -> list[str]:
    """Complete statuses."""
    from tasuki.jobs import JobStatus

    return [status.value for status in JobStatus if status.startswith(incomplete)]
