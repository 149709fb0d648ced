"""Configuration of HPC hosts: `hpc.yaml` in the data folder."""

import re
from pathlib import Path

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.errors import ConfigError, NotFound

__all__ = ["HOSTS_FILE", "Host", "HostsFile"]

HOSTS_FILE = "hpc.yaml"
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SINGLE_LINE_PATTERN = re.compile(r"[^\n\0]*")
SCHEDULER_NAMES = ("pbs", "slurm")
TRANSPORT_NAMES = ("openssh", "asyncssh", "local")


class Host(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A host, its scheduler, and tasuki's limits there. Raise ConfigError if invalid."""

    name: str
    host: str
    scheduler: str = "pbs"
    root: str = "$HOME/tasuki"
    transport: str = "openssh"
    max_queued: int = 40
    max_running: int = 30
    max_attempts: int = 3
    grace_seconds: int = 120
    backoff_seconds: int = 60
    path: str = ""
    """Folders with the scheduler's commands, where a plain shell there does not find them."""
    watchdog: bool = False
    """Whether one more job waits for the end of the others, to see those that ended too hard to say so."""
    auto_deploy: bool = True
    ssh_config: str | None = None

    def __post_init__(self) -> None:
        if not NAME_PATTERN.fullmatch(self.name):
            raise ConfigError(f"{self.name!r} can't be the name of a host", hint="letters, digits, '.', '_' or '-'")
        if self.scheduler not in SCHEDULER_NAMES:
            raise ConfigError(f"there is no scheduler {self.scheduler!r}", hint=f"one of {', '.join(SCHEDULER_NAMES)}")
        if self.transport not in TRANSPORT_NAMES:
            raise ConfigError(f"there is no transport {self.transport!r}", hint=f"one of {', '.join(TRANSPORT_NAMES)}")
        if not self.host or self.host.startswith("-"):
            raise ConfigError(f"{self.host!r} can't be a host", hint="a name that ssh knows")
        if not self.root or not SINGLE_LINE_PATTERN.fullmatch(self.root + self.path):
            raise ConfigError(f"{self.root!r} can't be a folder there", hint="like '$HOME/tasuki'")
        if min(self.max_queued, self.max_running, self.max_attempts) < 1 or min(self.grace_seconds, self.backoff_seconds) < 0:
            raise ConfigError(f"the limits of {self.name} must be positive numbers")


class HostsFile:
    """The hosts of one data folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / HOSTS_FILE

    def list_hosts(self) -> list[Host]:
        """Return every host, in the file's order. Raise ConfigError if the file is unreadable."""
        try:
            return msgspec.yaml.decode(self.path.read_bytes(), type=list[Host])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.ValidationError, msgspec.DecodeError) as error:
            raise ConfigError(f"{self.path} can't be read: {error}") from error

    def get(self, name: str) -> Host:
        """Return one host. Raise NotFound for an unknown one."""
        found = self.list_hosts()
        for site in found:
            if site.name == name:
                return site
        names = ", ".join(site.name for site in found)
        raise NotFound(f"there is no host {name!r}", hint=f"there are {names}" if names else f"tasuki hpc add {name} --host {name}")

    def add(self, host: Host) -> None:
        """Add a host; replace one of the same name."""
        self.write([*(one for one in self.list_hosts() if one.name != host.name), host])

    def remove(self, name: str) -> None:
        """Remove a host. Raise NotFound for an unknown one."""
        self.get(name)
        self.write([one for one in self.list_hosts() if one.name != name])

    def write(self, hosts: list[Host]) -> None:
        """Write the file."""
        replace_file(self.path, msgspec.yaml.encode(hosts), durable=True)
