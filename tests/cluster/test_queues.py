"""Syncs that are interrupted, folders that are gone, restarts: what a person's jobs come to."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tasuki.errors import ConfigError, Conflict, RemoteUnavailable
from tasuki.hpc.host import Host, HostsFile
from tasuki.hpc.job_package import JobSpec
from tasuki.hpc.transports.tar_stream import TarFile
from tasuki.jobs.context import JobContext
from tasuki.jobs.queue.host_sync import HostSync, HostSyncResult
from tasuki.jobs.queue.queue import JobQueue, SubmitOptions
from tasuki.jobs.submit import Submitter
from tasuki.records import Job, JobCreated, JobRecord, JobStatus, Observation
from tasuki.settings import Settings, load
from tests.cluster.cluster_control import Cluster
from tests.cluster.job_submitter import AsUser
from tests.cluster.test_results import STAND_IN, TRANSCRIPTS
from tests.support.processes import eventually

Act = Callable[[Callable[[JobQueue], Awaitable[Any]]], Any]


class Breaking(AsUser):
    """A way that breaks off, before something has happened over there, or after."""

    def __init__(self, cluster: Cluster, kind: str, *, upload: str = "", exec: int = -1) -> None:
        super().__init__(cluster, kind)
        self.upload = upload
        self.exec_at = exec

    async def put_tar(self, files: Iterable[TarFile], folder: str, *, timeout: float = 60) -> None:
        if self.upload == "before":
            raise RemoteUnavailable("the connection was cut")
        await super().put_tar(files, folder, timeout=timeout)
        if self.upload == "after":
            raise RemoteUnavailable("the connection was cut")

    async def exec(self, script: str, *, timeout: float = 60) -> Any:
        self.exec_at -= 1
        done = await super().exec(script, timeout=timeout)
        if self.exec_at == -1:
            raise RemoteUnavailable("the connection was cut")
        return done


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(dir=str(tmp_path / "data"))


@pytest.fixture
def site(tmp_path: Path, settings: Settings) -> Host:
    site = Host(name="here", host="here", root=f"$HOME/{tmp_path.name}", grace_seconds=2, backoff_seconds=1)
    HostsFile(settings.dir).add(site)
    return site


@pytest.fixture
def act(settings: Settings) -> Act:
    def run(action: Callable[[JobQueue], Awaitable[Any]]) -> Any:
        async def within() -> Any:
            context = JobContext(settings)
            try:
                return await action(JobQueue(context))
            finally:
                await context.close()

        return asyncio.run(within())

    return run


def submitted(act: Act, site: Host, *folders: Path, **wanted: Any) -> list[Job]:
    async def all_of(queues: JobQueue) -> list[Job]:
        return [(await queues.submit(site, folder, JobSpec(walltime="2m", **wanted), SubmitOptions()))[0] for folder in folders]

    jobs: list[Job] = act(all_of)
    return jobs


def synced(act: Act, site: Host, way: AsUser, **options: Any) -> HostSyncResult:
    done: HostSyncResult = act(lambda queues: HostSync(queues, site, way).run(**options))
    return done


def jobs_now(act: Act) -> dict[str, Job]:
    found: list[Job] = act(lambda queues: queues.list_jobs())
    return {job.id: job for job in found}


@pytest.mark.parametrize(("way", "left"), [
    ({"upload": "before"}, JobStatus.UPLOADING),
    ({"upload": "after"}, JobStatus.UPLOADING),
    ({"exec": 0}, JobStatus.UPLOADING),
    ({"exec": 1}, JobStatus.QUEUED),
])  # fmt: skip
def test_a_sync_that_breaks_off_anywhere_is_just_done_again(
    cluster: Cluster, act: Act, site: Host, tmp_path: Path, way: dict[str, Any], left: JobStatus
) -> None:
    (tmp_path / "calc").mkdir()
    (tmp_path / "calc/input").write_text("x")
    (job,) = submitted(act, site, tmp_path / "calc", command="echo ran >>../../ran")
    with pytest.raises(RemoteUnavailable):
        synced(act, site, Breaking(cluster, "key", **way))
    assert (jobs_now(act)[job.id].status, jobs_now(act)[job.id].attempt) == (left, 1)
    synced(act, site, AsUser(cluster, "key"))
    eventually(lambda: bool(synced(act, site, AsUser(cluster, "key"))) and jobs_now(act)[job.id].status is JobStatus.COMPLETED)
    assert jobs_now(act)[job.id].attempt == 1
    assert (cluster.home("key") / tmp_path.name / "ran").read_text() == "ran\n"


def test_a_folder_that_is_gone_fails_its_job_alone(cluster: Cluster, act: Act, site: Host, tmp_path: Path) -> None:
    for name in ("gone", "stays"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "input").write_text(name)
    gone, stays = submitted(act, site, tmp_path / "gone", tmp_path / "stays", command="true")
    shutil.rmtree(tmp_path / "gone")
    done = synced(act, site, AsUser(cluster, "key"))
    assert done.uploaded == 1
    assert "Local job directory not found" in done.errors[0]
    assert "Local job directory not found" in str(jobs_now(act)[gone.id].error_message)
    assert jobs_now(act)[stays.id].status in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.COMPLETED)


def test_a_relaxation_goes_on_from_its_last_structure(cluster: Cluster, act: Act, site: Host, tmp_path: Path) -> None:
    folder, home = tmp_path / "GaAs", cluster.home("key") / f"vasp of {tmp_path.name}"
    folder.mkdir()
    home.mkdir()
    for name in ("POSCAR", "INCAR", "KPOINTS", "POTCAR"):
        (folder / name).write_text((TRANSCRIPTS / "vasp" / name).read_text())
    for name in ("OSZICAR", "OUTCAR"):
        (home / name).write_text((TRANSCRIPTS / "vasp" / name).read_text())
    (home / "vasp_std").write_text(STAND_IN)
    (home / "vasp_std").chmod(0o755)
    env = {"OUTPUTS": str(home), "VASP_COMMAND": f"'{home / 'vasp_std'}'", "VASP_LAUNCHER": "eval"}
    (job,) = submitted(act, site, folder, profile="vasp", env=env)
    way = AsUser(cluster, "key")
    eventually(lambda: synced(act, site, way, download=True).failed == 1)
    failed = jobs_now(act)[job.id]
    assert failed.error_message == "the ionic steps did not converge: EDIFFG was not reached"
    assert (folder / "results/CONTCAR").exists()
    with pytest.raises(ConfigError, match="can't begin from OUTCAR"):
        act(lambda queues: Submitter(queues.context).retry(failed, "OUTCAR"))
    act(lambda queues: Submitter(queues.context).retry(failed, "CONTCAR"))
    again = jobs_now(act)[job.id]
    with pytest.raises(Conflict):
        act(lambda queues: Submitter(queues.context).retry(again))
    eventually(lambda: synced(act, site, way, download=True).completed == 1)
    over = jobs_now(act)[job.id]
    assert (over.attempt, over.status, over.error_message) == (2, JobStatus.COMPLETED, None)
    assert over.external_id == f"here/j{job.id}.2"
    assert (cluster.home("key") / tmp_path.name / f"jobs/j{job.id}/.run/POSCAR.before-2").exists()


def test_a_hundred_jobs_among_a_thousand_are_synced_in_no_time(cluster: Cluster, act: Act, site: Host, tmp_path: Path) -> None:
    folders = [tmp_path / f"calc{number}" for number in range(100)]
    for folder in folders:
        folder.mkdir()
        for name in range(4):
            (folder / f"in{name}").write_text(f"{folder.name} {name}\n" * 100)

    async def known(queues: JobQueue) -> None:
        facts: list[JobRecord] = []
        for number in range(1000):
            id = f"{number:012x}"
            created = JobCreated(time=number, job=id, provider="hpc", metadata={"site": "here"})
            facts += [created, Observation(time=number + 1, job=id, status=JobStatus.COMPLETED)]
        await queues.context.record(*facts)

    act(known)
    submitted(act, site, *folders, command="true")
    way = AsUser(cluster, "key")
    began = time.monotonic()
    assert synced(act, msgspec.structs.replace(site, max_queued=4), way).uploaded == 100
    assert time.monotonic() - began < 3
    assert way.command_count == 3
