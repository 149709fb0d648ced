"""Open the transport that a host's configuration names."""

from pathlib import Path

from tasuki.hpc.host import Host
from tasuki.hpc.transports.asyncssh import AsyncSSH
from tasuki.hpc.transports.local import LocalTransport
from tasuki.hpc.transports.openssh import OpenSSHTransport

__all__ = ["open_transport"]


def open_transport(site: Host) -> OpenSSHTransport | AsyncSSH | LocalTransport:
    """Create the transport, unconnected: a login exists or follows."""
    config = Path(site.ssh_config).expanduser() if site.ssh_config else None
    if site.transport == "local":
        return LocalTransport()
    if site.transport == "asyncssh":
        return AsyncSSH(site.host, name=site.name, config=config)
    return OpenSSHTransport(site.host, name=site.name, config=config)
