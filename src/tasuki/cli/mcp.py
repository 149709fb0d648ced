"""The command `tasuki mcp`."""

from importlib.util import find_spec

from tasuki.cli.shared.options import Dir, Project, Remote
from tasuki.errors import ConfigError

__all__ = ["mcp"]


def mcp(project: Project = None, dir: Dir = None, remote: Remote = None) -> None:
    """Serve an agent over the Model Context Protocol, on standard input and output.

    Its tools list projects and runs, summarize, rank and compare them, read series, alerts and notes, wait for a run, and ask one
    to stop; on the data folder, or on a server.
    """
    if find_spec("mcp") is None:
        raise ConfigError("tasuki mcp needs an extra", hint="pip install 'tasuki[mcp]'")
    from tasuki.mcp import serve

    serve(remote, dir, project)
