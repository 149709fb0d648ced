"""Slurm. States: squeue's manual, "JOB STATE CODES", https://slurm.schedmd.com/squeue.html (22.05)."""

import re

from tasuki.hpc.schedulers.resources import Resources, format_walltime
from tasuki.hpc.schedulers.scheduler import QueuedJob, Scheduler, get_job_number

__all__ = ["SLURM"]

STATES = {
    "COMPLETING": True,
    "RESIZING": True,
    "RUNNING": True,
    "SIGNALING": True,
    "STAGE_OUT": True,
    "STOPPED": True,  # with its nodes
    "SUSPENDED": True,
    "CONFIGURING": False,
    "PENDING": False,
    "REQUEUED": False,
    "REQUEUE_FED": False,
    "REQUEUE_HOLD": False,
    "RESV_DEL_HOLD": False,
    "SPECIAL_EXIT": False,
    "BOOT_FAIL": None,
    "CANCELLED": None,
    "COMPLETED": None,
    "DEADLINE": None,
    "FAILED": None,
    "NODE_FAIL": None,
    "OUT_OF_MEMORY": None,
    "PREEMPTED": None,
    "REVOKED": None,
    "TIMEOUT": None,
}
"""True for a job that holds nodes, False for one that waits, None for one that is over."""
JOB_ID_PATTERN = re.compile(r"\d+(;[A-Za-z0-9._-]+)?")


def build_directives(resources: Resources) -> list[str]:
    """Return Slurm's directives."""
    lines = [
        f"#SBATCH --nodes={resources.nodes}",
        f"#SBATCH --ntasks={resources.ntasks}",
        f"#SBATCH --time={format_walltime(resources.seconds)}",
    ]
    if resources.queue:
        lines.append(f"#SBATCH --partition={resources.queue}")
    if resources.account:
        lines.append(f"#SBATCH --account={resources.account}")
    return lines


def parse_queue(output: str) -> list[QueuedJob]:
    """Parse one line per job, with full state names."""
    found = []
    for line in output.splitlines():
        id, *words = line.strip().split("|")
        if len(words) >= 2 and (runs := STATES.get(words[0])) is not None:
            reason = words[2] if len(words) > 2 and words[2] != "None" else ""
            found.append(QueuedJob(get_job_number(id), words[1], words[0], runs, reason))
    return found


def parse_submission(output: str) -> str | None:
    """Return the last line that is a job id, as `--parsable` prints it."""
    ids = [line.strip() for line in output.splitlines() if JOB_ID_PATTERN.fullmatch(line.strip())]
    return ids[-1] if ids else None


SLURM = Scheduler(build_directives, parse_queue, parse_submission)
