"""OpenPBS, PBS Professional, and Torque, and wrappers with their commands, like Slurm's.

States: OpenPBS 20.0 reference guide, "Job states"; Torque 6.1 administrator guide, "qstat".
"""

import re

from tasuki.hpc.schedulers.resources import Resources, format_walltime
from tasuki.hpc.schedulers.scheduler import QueuedJob, Scheduler, get_job_number

__all__ = ["PBS"]

STATES = {
    "B": True,  # an array of which some run
    "E": True,  # ending
    "R": True,
    "H": False,  # held
    "Q": False,
    "S": False,  # suspended
    "T": False,  # on its way between servers
    "U": False,  # suspended for the node's own user
    "W": False,  # waits for its time
    "C": None,  # over, as Torque says it
    "F": None,  # over, as OpenPBS says it
    "M": None,  # moved to another server
    "X": None,  # over, of an array
}
"""True for a job that holds nodes, False for one that waits, None for one that is over."""
ROW_PATTERN = re.compile(r"\d+(\[\d*\])?(\.|$)")
JOB_ID_PATTERN = re.compile(r"\d+(\[\])?(\.[A-Za-z0-9._-]+)?")


def build_directives(resources: Resources) -> list[str]:
    """Return the directives; all variants understand `nodes=…:ppn=…`."""
    lines = [
        f"#PBS -l nodes={resources.nodes}:ppn={resources.tasks_per_node}",
        f"#PBS -l walltime={format_walltime(resources.seconds)}",
    ]
    if resources.queue:
        lines.append(f"#PBS -q {resources.queue}")
    if resources.account:
        lines.append(f"#PBS -A {resources.account}")
    return lines


def parse_queue(output: str) -> list[QueuedJob]:
    """Parse `qstat -u USER`, the wide list: the short one shows states differently between variants.

    The state is the last but one, as the elapsed time comes last.
    """
    found = []
    for line in output.splitlines():
        words = line.split()
        if len(words) < 10 or not ROW_PATTERN.match(words[0]):
            continue
        word = words[-2]
        if (runs := STATES.get(word)) is not None:
            found.append(QueuedJob(get_job_number(words[0]), words[3], word, runs))
    return found


def parse_submission(output: str) -> str | None:
    """Return the last line that is a job id."""
    ids = [line.strip() for line in output.splitlines() if JOB_ID_PATTERN.fullmatch(line.strip())]
    return ids[-1] if ids else None


PBS = Scheduler(build_directives, parse_queue, parse_submission)
