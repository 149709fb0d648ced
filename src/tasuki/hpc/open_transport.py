"""Open the transport that a host's configuration names."""

from pathlib import Path

from tasuki.hpc.host import Host
from tasuki.hpc.transports.asyncssh import AsyncSSHTransport
from tasuki.hpc.transports.local import LocalTransport
from tasuki.hpc.transports.openssh import OpenSSHTransport

__all__ = ["open_transport"]


def open_transport(host: Host) -> OpenSSHTransport | AsyncSSHTransport | LocalTransport:
    """Create the transport, unconnected: a login exists or follows."""
    config = Path(host.ssh_config).expanduser() if host.ssh_config else None
    if host.transport == "local":
        return LocalTransport()
    if host.transport == "asyncssh":
        return AsyncSSHTransport(host.host, name=host.name, config=config)
    return OpenSSHTransport(host.host, name=host.name, config=config)
