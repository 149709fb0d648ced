"""Choose between a data folder and a server, once."""

from importlib import import_module

from tasuki.remotes import RemotesFile
from tasuki.settings import Settings
from tasuki.store import QueryAndEdit, open_folder_store

__all__ = ["open_query"]


def open_query(target: str | None, settings: Settings) -> QueryAndEdit:
    """Open the queries of a target: the settings' folder, or the server of a name or address."""
    if target is None:
        return open_folder_store(settings)
    remote = import_module("tasuki.client.http_query")  # with httpx, a sixth of the time of a command that asks a folder
    url = RemotesFile(settings.dir).resolve_url(target)
    found: QueryAndEdit = remote.HttpQuery(url, settings.key(url))
    return found
