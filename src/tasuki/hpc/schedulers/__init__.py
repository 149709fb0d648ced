"""Schedulers: states, commands, and parsers, a module each."""

from tasuki.hpc.schedulers import pbs, slurm
from tasuki.hpc.schedulers.scheduler import QueuedJob, Scheduler

__all__ = ["SCHEDULERS", "QueuedJob", "Scheduler"]

SCHEDULERS: dict[str, Scheduler] = {"pbs": pbs.PBS, "slurm": slurm.SLURM}
