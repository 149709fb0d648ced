"""`tasuki mcp`: the command line's queries as tools for agents, over the Model Context Protocol."""

from tasuki.mcp.server import serve

__all__ = ["serve"]
