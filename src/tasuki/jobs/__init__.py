"""Jobs: programs that run elsewhere, and the observations of them."""

from tasuki.jobs.background_tasks import (
    TaskManager,
    get_polling_seconds,
    get_task_manager,
    start_background_tasks,
    stop_background_tasks,
)
from tasuki.jobs.progress_parser import ParsedProgress, Stage, parse_progress
from tasuki.jobs.providers import PROVIDERS
from tasuki.jobs.providers.config_file import ProviderConfigFile, redact_config
from tasuki.jobs.providers.protocol import Provider, ProviderAccount, ProviderJob, ProviderPage
from tasuki.jobs.schemas import (
    JobAnswer,
    JobList,
    JobLogs,
    JobMetrics,
    JobType,
    JobView,
    Progress,
    ProviderView,
    SyncReport,
    SyncState,
)
from tasuki.jobs.service import Jobs, LogEvent
from tasuki.jobs.storage.requests import JobRequest
from tasuki.jobs.submit import Submission
from tasuki.jobs.webhooks import InvalidSignature, UnreadableMessage, compute_signature
from tasuki.records import Job, JobStatus, Observation, apply_observation

__all__ = [
    "PROVIDERS",
    "InvalidSignature",
    "Job",
    "JobAnswer",
    "JobList",
    "JobLogs",
    "JobMetrics",
    "JobRequest",
    "JobStatus",
    "JobType",
    "JobView",
    "Jobs",
    "LogEvent",
    "Observation",
    "ParsedProgress",
    "Progress",
    "Provider",
    "ProviderAccount",
    "ProviderConfigFile",
    "ProviderJob",
    "ProviderPage",
    "ProviderView",
    "Stage",
    "Submission",
    "SyncReport",
    "SyncState",
    "TaskManager",
    "UnreadableMessage",
    "apply_observation",
    "compute_signature",
    "get_polling_seconds",
    "get_task_manager",
    "parse_progress",
    "redact_config",
    "start_background_tasks",
    "stop_background_tasks",
]
