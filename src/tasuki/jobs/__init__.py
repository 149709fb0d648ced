"""Jobs: executions elsewhere, and what is observed of them."""

from tasuki.jobs.background_tasks import (
    TaskManager,
    get_task_manager,
    polling_seconds,
    start_background_tasks,
    stop_background_tasks,
)
from tasuki.jobs.progress_parser import Said, Stage, parse_progress
from tasuki.jobs.providers import PROVIDERS
from tasuki.jobs.providers.config_file import Configured, shown_config
from tasuki.jobs.providers.protocol import Page, Provider, Sight, Validated
from tasuki.jobs.schemas import (
    JobAnswer,
    JobList,
    JobLogs,
    JobMetrics,
    JobShown,
    JobType,
    Progress,
    ProviderShown,
    SyncReport,
    SyncState,
)
from tasuki.jobs.service import Jobs, LogEvent
from tasuki.jobs.storage.requests import Request
from tasuki.jobs.submit import Submission
from tasuki.jobs.webhooks import Forged, UnreadableMessage, signature
from tasuki.records import Job, JobStatus, Observation, apply_observation

__all__ = [
    "PROVIDERS",
    "Configured",
    "Forged",
    "Job",
    "JobAnswer",
    "JobList",
    "JobLogs",
    "JobMetrics",
    "JobShown",
    "JobStatus",
    "JobType",
    "Jobs",
    "LogEvent",
    "Observation",
    "Page",
    "Progress",
    "Provider",
    "ProviderShown",
    "Request",
    "Said",
    "Sight",
    "Stage",
    "Submission",
    "SyncReport",
    "SyncState",
    "TaskManager",
    "UnreadableMessage",
    "Validated",
    "apply_observation",
    "get_task_manager",
    "parse_progress",
    "polling_seconds",
    "shown_config",
    "signature",
    "start_background_tasks",
    "stop_background_tasks",
]
