"""The way to a site, as its configuration has it."""

from pathlib import Path

from tasuki.hpc.host import Site
from tasuki.hpc.transports.asyncssh import AsyncSSH
from tasuki.hpc.transports.local import Local
from tasuki.hpc.transports.openssh import OpenSSH

__all__ = ["open_transport"]


def open_transport(site: Site) -> OpenSSH | AsyncSSH | Local:
    """Not connected: somebody must have logged in, or does so with it."""
    config = Path(site.ssh_config).expanduser() if site.ssh_config else None
    if site.transport == "local":
        return Local()
    if site.transport == "asyncssh":
        return AsyncSSH(site.host, name=site.name, config=config)
    return OpenSSH(site.host, name=site.name, config=config)
