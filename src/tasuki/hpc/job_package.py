"""Prepare a job for upload: its profile's inputs, the scripts, and a hash of the inputs."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tasuki.errors import ConfigError
from tasuki.hpc.job_script import build_job_files, build_job_script, build_payload_script
from tasuki.hpc.profiles import PROFILES, Profile, select_folder_inputs
from tasuki.hpc.schedulers.resources import Resources
from tasuki.hpc.transports.tar_stream import TarFile

__all__ = ["JOB_FILE", "JobPackage", "JobSpec", "build_package"]

JOB_FILE = "job.toml"


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's job options, from the command line or from `job.toml` beside the inputs.

    The command line wins.
    """

    profile: str | None = None
    command: str | None = None
    nodes: int | None = None
    ntasks: int | None = None
    walltime: int | str | None = None
    queue: str | None = None
    account: str | None = None
    modules: list[str] | None = None
    env: dict[str, str] | None = None


class JobPackage(NamedTuple):
    """Everything needed to submit a folder. `warnings`: inputs that were skipped."""

    folder: Path
    profile: Profile
    resources: Resources
    command: str
    inputs: Mapping[str, Path]
    warnings: list[str]

    def build_scripts(self, id: str, scheduler: str) -> dict[str, str]:
        """Return the scripts of a job by name."""
        scripts = {
            "job.sh": build_job_script(id, scheduler, self.resources),
            "payload.sh": build_payload_script(self.command, self.resources),
        }
        return scripts | ({"check.sh": self.profile.check_script} if self.profile.check_script else {})

    def build_files(self, id: str, scheduler: str) -> list[TarFile]:
        """Return all files to upload."""
        inputs = {name: TarFile(name, path, get_file_mode(path)) for name, path in self.inputs.items()}
        return build_job_files(id, self.build_scripts(id, scheduler), inputs)

    def compute_inputs_hash(self) -> str:
        """Return a hash that is equal for equal names and contents."""
        digest = hashlib.sha256()
        for name, path in sorted(self.inputs.items()):
            with path.open("rb") as opened:
                content = hashlib.file_digest(opened, "sha256").hexdigest()
            digest.update(f"{len(name)} {name} {content}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def build_package(folder: Path, job_spec: JobSpec, *, strict: bool = False) -> JobPackage:
    """Package a folder.

    Raise FileNotFoundError if it is missing, ConfigError for invalid or (strict) missing inputs.
    """
    path = folder.expanduser()
    said = merge_specs(read_job_file(path), job_spec)
    profile = PROFILES.get(said.profile or "command")
    if profile is None:
        raise ConfigError(f"there is no profile {said.profile!r}", hint=f"one of {', '.join(PROFILES)}")
    inputs = select_folder_inputs(folder, profile)
    command = said.command or profile.command
    if not command:
        raise ConfigError(f"it is not said what to run in {folder}", hint=f"--command, or `command` in {JOB_FILE}")
    if inputs.problems:
        raise ConfigError(f"{folder}: {inputs.problems[0]}")
    warnings = [f"{folder} has no {name}: it is not sent" for name in inputs.missing]
    if strict and warnings:
        raise ConfigError(warnings[0], hint="without --strict it is skipped")
    return JobPackage(path, profile, build_resources(said), command, inputs.files, warnings)


def read_job_file(folder: Path) -> JobSpec:
    """Read `job.toml` beside the inputs. Raise ConfigError if it is unreadable."""
    path = folder / JOB_FILE
    try:
        return msgspec.toml.decode(path.read_bytes(), type=JobSpec)
    except (FileNotFoundError, NotADirectoryError):
        return JobSpec()
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error


def merge_specs(file_spec: JobSpec, option_spec: JobSpec) -> JobSpec:
    """Merge file and options."""
    given = {name: value for name, value in msgspec.structs.asdict(option_spec).items() if value is not None}
    return msgspec.structs.replace(file_spec, **given)


def build_resources(job_spec: JobSpec) -> Resources:
    """Return the resources to request; at least one process per node."""
    nodes = job_spec.nodes or 1
    values: dict[str, Any] = {
        "nodes": nodes,
        "ntasks": job_spec.ntasks or nodes,
        "queue": job_spec.queue,
        "account": job_spec.account,
        "modules": tuple(job_spec.modules or ()),
        "env": job_spec.env or {},
    }
    return Resources(**values | ({} if job_spec.walltime is None else {"walltime": job_spec.walltime}))


def get_file_mode(path: Path) -> int:
    """Return the mode: readable, and executable if the local file is."""
    return 0o700 if path.stat().st_mode & 0o100 else 0o600
