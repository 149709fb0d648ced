"""Build a job's scheduler script and payload script; user values are shell-quoted in the payload."""

import shlex
from collections.abc import Mapping

from tasuki.hpc.schedulers import SCHEDULERS
from tasuki.hpc.schedulers.resources import Resources
from tasuki.hpc.transports.tar_stream import TarFile

__all__ = ["build_job_files", "build_job_script", "build_payload_script"]

RUN_FOLDER = ".run"


def build_job_script(id: str, scheduler: str, resources: Resources) -> str:
    """Build the submitted script. It holds no path: it runs in its folder, two levels below the agent."""
    return "\n".join(
        [
            "#!/bin/sh",
            *SCHEDULERS[scheduler].build_directives(resources),
            "attempt=1",
            'cd "${PBS_O_WORKDIR:-${SLURM_SUBMIT_DIR:-.}}" || exit 97',
            f'exec /bin/sh ../../agent.sh run {shlex.quote(id)} "$attempt"',
            "",
        ]
    )


def build_payload_script(command: str, resources: Resources) -> str:
    """Build the payload: modules and variables, then the command as the user's own shell code."""
    lines = [f"module load {shlex.quote(module)} || exit" for module in resources.modules]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in resources.env.items()]
    shell = "/bin/bash -l" if resources.modules else "/bin/sh"  # `module` is made by a login's profile
    return "\n".join([f"#!{shell}", *lines, command, ""])


def build_job_files(id: str, scripts: Mapping[str, str], inputs: Mapping[str, TarFile]) -> list[TarFile]:
    """Return a job's folder as uploaded: scripts in a folder of their own, inputs beside it."""
    own = [TarFile(f"{id}/{RUN_FOLDER}/{name}", text.encode(), 0o700) for name, text in scripts.items()]
    return own + [file._replace(name=f"{id}/{name}") for name, file in inputs.items()]
