"""Real calculations go through the queue, and their results come home whole."""

import asyncio
import hashlib
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tasuki.errors import ConfigError, MissingRecords, RemoteUnavailable
from tasuki.hpc.agent import JobTicket
from tasuki.hpc.job_package import JobPackage, JobSpec, build_package
from tasuki.hpc.profiles import PROFILES
from tasuki.hpc.results import BACKUP_SUFFIX, PART_SUFFIX, FileFilter, fetch_manifest, fetch_results
from tasuki.hpc.transports.shell_transport import RemoteProcess
from tests.cluster.cluster_control import Cluster
from tests.cluster.job_submitter import AsUser, JobSubmitter

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
ELK_INPUT = """
tasks
  0

avec
  0.0  3.8267 3.8267
  3.8267 0.0 3.8267
  3.8267 3.8267 0.0

sppath
  '/usr/share/elk-lapw/species/'

atoms
  1
  'Al.in'
  1
  0.0 0.0 0.0 0.0 0.0 0.0

ngridk
  2 2 2
"""
ODD_NAMES = ["a result with spaces", "ünïcödé ☃", "a'; echo foo", "two\nlines", "-rf", "deep/er/result", "*.OUT"]


def send(submitter: JobSubmitter, id: str, job: JobPackage) -> None:
    asyncio.run(submitter.exchange.upload(job.build_files(id, submitter.site.scheduler)))
    asyncio.run(submitter.exchange.deliver_tickets([JobTicket(id, submitter.numbers)]))
    submitter.numbers += 1


def bring(submitter: JobSubmitter, id: str, target: Path, selection: FileFilter = FileFilter(), transport: Any = None) -> Any:  # noqa: B008
    return asyncio.run(fetch_results(transport or submitter.exchange.transport, submitter.site, id, target, selection))


def test_a_real_calculation_and_a_broken_one(cluster: Cluster, tmp_path: Path) -> None:
    submitter = JobSubmitter(cluster, "elk")
    for name, text in (("good", ELK_INPUT), ("broken", ELK_INPUT.replace("2 2 2", "2 x 2"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "elk.in").write_text(text)
        send(submitter, name, build_package(tmp_path / name, JobSpec(profile="elk", walltime="5m", env={"OMP_NUM_THREADS": "1"})))
    submitter.wait(2, "done", "failed")
    assert submitter.where()["failed"] == ["broken"], (submitter.root / "jobs/good/stdout.txt").read_text()
    (failed,) = [event for event in submitter.events() if event.kind == "FAIL"]
    assert "Problem occurred in 'ngridk' block" in failed.fields["reason"]
    home = tmp_path / "home"
    fetched = bring(submitter, "good", home, FileFilter(PROFILES["elk"].fetch_patterns))
    assert {"TOTENERGY.OUT", "INFO.OUT", "stdout.txt"} <= set(fetched.files)
    assert "elk.in" not in fetched.files
    outcome = PROFILES["elk"].parse_outputs(
        {path.name: path.read_text(errors="replace") for path in home.glob("*") if path.stat().st_size < 1e6}
    )
    assert outcome.converged
    assert outcome.summary["energy"] == pytest.approx(-241.9434, abs=1e-3)
    assert len(outcome.steps) > 5


STAND_IN = """#!/bin/sh
# runs where VASP would: reads its inputs, writes what VASP writes
[ "$(head -n 1 POSCAR)" = 'Ga4 As4' ] || { echo 'no structure' >&2; exit 1; }
cp "$OUTPUTS/OSZICAR" .
if [ -e CONTCAR.before ]; then cp "$OUTPUTS/OUTCAR" .; else sed 's/reached required accuracy//' "$OUTPUTS/OUTCAR" >OUTCAR; fi
cp POSCAR CONTCAR
cp POSCAR CONTCAR.before
echo '<modeling></modeling>' >vasprun.xml
"""


def test_vasp_with_a_stand_in_restarts_from_where_it_stopped(cluster: Cluster, tmp_path: Path) -> None:
    """Without a POTCAR, of which it is said that it is not sent; the second attempt begins with the structure of the first."""
    submitter = JobSubmitter(cluster, "vasp")
    folder, binary = tmp_path / "GaAs", cluster.home("key") / "vasp_std"
    folder.mkdir()
    for name in ("POSCAR", "INCAR", "KPOINTS"):
        (folder / name).write_text((TRANSCRIPTS / "vasp" / name).read_text())
    outputs = cluster.home("key") / "vasp outputs"
    outputs.mkdir()
    for name in ("OSZICAR", "OUTCAR"):
        (outputs / name).write_text((TRANSCRIPTS / "vasp" / name).read_text())
    binary.write_text(STAND_IN)
    binary.chmod(0o755)
    wanted = JobSpec(profile="vasp", env={"OUTPUTS": str(outputs), "VASP_COMMAND": str(binary), "VASP_LAUNCHER": "env"})
    with pytest.raises(ConfigError, match="has no POTCAR"):
        build_package(folder, wanted, strict=True)
    job = build_package(folder, wanted)
    assert job.warnings == [f"{folder} has no POTCAR: it is not sent"]
    send(submitter, "gaas", job)
    submitter.wait(1, "failed")
    home = tmp_path / "home"
    bring(submitter, "gaas", home, FileFilter(job.profile.fetch_patterns))
    outcome = job.profile.parse_outputs({path.name: path.read_text() for path in home.iterdir()})
    assert outcome.reason == "the ionic steps did not converge: EDIFFG was not reached"
    assert outcome.summary["energy"] == -526.55866
    assert outcome.restart_files == {"CONTCAR": "POSCAR"}
    asyncio.run(submitter.exchange.install_restart_files("gaas", outcome.restart_files, 2))
    asyncio.run(submitter.exchange.deliver_tickets([JobTicket("gaas", 99, attempt=2)]))
    submitter.wait(1, "done")
    assert [event.attempt for event in submitter.events() if event.kind == "SUBMITTED"] == [1, 2]
    assert (submitter.root / "jobs/gaas/.run/POSCAR.before-2").exists()
    assert submitter.report().states == {"gaas": "done"}


# -- fetching


class Cutting(AsUser):
    """A way home that is cut after so many bytes."""

    def __init__(self, cluster: Cluster, kind: str, after: int) -> None:
        super().__init__(cluster, kind)
        self.left = after

    async def start(self, command: str) -> RemoteProcess:
        process = await super().start(command)
        read = process.read

        async def cut() -> bytes:
            piece = await read()
            if len(piece) > self.left:
                await process.kill()
            piece, self.left = piece[: self.left], self.left - len(piece[: self.left])
            return piece

        process.read = cut  # type: ignore[method-assign]
        return process


@pytest.fixture(scope="module")
def finished(cluster: Cluster) -> JobSubmitter:
    """A job with results of every kind."""
    submitter = JobSubmitter(cluster, "finished")
    chance = random.Random(3)
    submitter.submit(": >empty; mkdir -p deep/er; touch 'not yet'", names=["results"])
    submitter.wait(1, "done")
    folder = submitter.root / "jobs/results"
    for name in ODD_NAMES:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(chance.randbytes(chance.randrange(300_000)))
    subprocess.run(["chown", "-R", f"--reference={folder}", str(folder)], check=True)
    return submitter


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".run" not in path.parts and not path.name.endswith(PART_SUFFIX)
    }


def test_what_comes_home_is_what_is_there_and_only_once(finished: JobSubmitter, tmp_path: Path) -> None:
    first = bring(finished, "results", tmp_path)
    assert hashes(tmp_path) == hashes(finished.root / "jobs/results")
    assert sorted(first.files) == sorted(hashes(tmp_path))
    again = bring(finished, "results", tmp_path)
    assert (again.files, again.unchanged, again.kept) == ([], len(first.files), [])


def test_a_fetch_that_is_cut_anywhere_goes_on_where_it_was(finished: JobSubmitter, cluster: Cluster, tmp_path: Path) -> None:
    chance, cuts = random.Random(5), 0
    there = hashes(finished.root / "jobs/results")
    while hashes(tmp_path) != there:
        before = hashes(tmp_path)
        way = Cutting(cluster, finished.kind, chance.randrange(1, 600_000))
        try:
            bring(finished, "results", tmp_path, transport=way)
        except (RemoteUnavailable, MissingRecords):
            cuts += 1
        assert before.items() <= hashes(tmp_path).items() <= there.items()
    assert cuts > 0


def test_a_changed_file_is_noticed_and_nothing_is_overwritten(finished: JobSubmitter, tmp_path: Path) -> None:
    bring(finished, "results", tmp_path)
    mine, theirs = tmp_path / "ünïcödé ☃", finished.root / "jobs/results" / "ünïcödé ☃"
    old = mine.read_bytes()
    theirs.write_bytes(old[::-1])
    fetched = bring(finished, "results", tmp_path)
    assert fetched.files == ["ünïcödé ☃"]
    assert mine.read_bytes() == old[::-1]
    assert fetched.kept == [f"ünïcödé ☃{BACKUP_SUFFIX}-1"]
    assert (tmp_path / fetched.kept[0]).read_bytes() == old


def test_only_what_is_wanted_comes(finished: JobSubmitter, tmp_path: Path) -> None:
    assert bring(finished, "results", tmp_path, FileFilter(("deep/*", "empty"))).bytes > 0
    assert sorted(hashes(tmp_path)) == ["deep/er/result", "empty"]
    most = bring(finished, "results", tmp_path, FileFilter(("*",), ("*.OUT",), 100))
    assert set(most.files) == {"not yet", "stdout.txt"}


def test_a_job_that_has_written_no_manifest_has_one_made(finished: JobSubmitter) -> None:
    (finished.root / "jobs/results/.run/manifest").unlink(missing_ok=True)
    found = asyncio.run(fetch_manifest(finished.exchange.transport, finished.site, "results"))
    assert {file.name: file.sha256 for file in found} == hashes(finished.root / "jobs/results")
    assert os.sep not in found[0].sha256
