"""Jobs without an event loop, of a data folder or a server; `open_jobs` decides once."""

from tasuki.client.http_query import HttpQuery
from tasuki.remotes import RemotesFile
from tasuki.sdk.jobs.folder import FolderJobs
from tasuki.sdk.jobs.protocol import JobAction, JobsApi, ListOptions, wait_for_job
from tasuki.sdk.jobs.remote import RemoteJobs
from tasuki.settings import Settings

__all__ = ["FolderJobs", "JobAction", "JobsApi", "ListOptions", "RemoteJobs", "open_jobs", "wait_for_job"]


def open_jobs(target: str | None, settings: Settings) -> FolderJobs | RemoteJobs:
    """Open the jobs of the settings' folder, or of a server by name or address.

    Close it with a `with` block.
    """
    if target is None:
        return FolderJobs(settings)
    url = RemotesFile(settings.dir).resolve_url(target)
    return RemoteJobs(HttpQuery(url, settings.key(url)))
