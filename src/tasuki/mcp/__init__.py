"""`tasuki mcp`: what the command line answers, as tools that agents call over the Model Context Protocol."""

from tasuki.mcp.server import serve

__all__ = ["serve"]
