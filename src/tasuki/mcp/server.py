"""The server that an agent starts: MCP over standard input and output."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from tasuki import __version__
from tasuki.errors import TasukiError
from tasuki.mcp.tools import Tools

__all__ = ["serve"]

INSTRUCTIONS = """\
tasuki records experiments: projects have runs, runs log metrics by step and raise alerts. Begin with list_projects and list_runs.
Ask for little: summarize and compare before series. Watch a run with alerts (since=next_since) or wait; one that diverges can be
asked to stop."""
MUTATING_TOOLS = {"stop"}
"""The tools that change something."""


def serve(remote: str | None, dir: str | None, project: str | None) -> None:
    """Answer until standard input ends."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # else the package draws tracebacks in boxes
    server: MCPServer[Any] = MCPServer("tasuki", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING")
    for tool in Tools(remote, dir, project).list_tools():
        name = tool.__name__
        hints = ToolAnnotations(read_only_hint=name not in MUTATING_TOOLS, destructive_hint=False, open_world_hint=False)
        server.add_tool(translate_errors(tool), name=name, annotations=hints)
    server.run("stdio")


def translate_errors(tool: Callable[..., Any]) -> Callable[..., Any]:
    """The tool, with errors of ours as what an agent reads: what failed, and what to do."""

    @wraps(tool)
    def call_tool(*arguments: Any, **options: Any) -> Any:
        try:
            return tool(*arguments, **options)
        except TasukiError as error:
            raise ToolError(f"{error.message}. {error.hint}." if error.hint else f"{error.message}.") from error

    return call_tool
