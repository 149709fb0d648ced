"""Profiles know their inputs, and what outputs say."""

import subprocess
from pathlib import Path

import pytest

from tasuki.errors import NotFound
from tasuki.hpc.profiles import PROFILES, CalculationResult, select_folder_inputs

TRANSCRIPTS = Path(__file__).parents[3] / "transcripts"
VASP, ELK, COMMAND = PROFILES["vasp"], PROFILES["elk"], PROFILES["command"]


@pytest.fixture
def calculation(tmp_path: Path) -> Path:
    for name in ("POSCAR", "INCAR", "KPOINTS", "POTCAR"):
        (tmp_path / name).write_text((TRANSCRIPTS / "vasp" / name).read_text())
    return tmp_path


def text(kind: str, name: str) -> str:
    return (TRANSCRIPTS / kind / name).read_text()


def check(folder: Path, profile: str) -> str:
    """What the job's own check finds."""
    found = PROFILES[profile].check_script
    assert found
    done = subprocess.run(["sh", "-c", found], cwd=folder, capture_output=True, text=True)
    assert (done.returncode == 0) == (done.stdout == "")
    return done.stdout.strip()


def agree(folder: Path, profile: str, texts: dict[str, str]) -> CalculationResult:
    """The job's own check and what is read here say the same."""
    for name, content in texts.items():
        (folder / name).write_text(content)
    outcome = PROFILES[profile].parse_outputs(texts)
    assert check(folder, profile) == (outcome.reason or "")
    return outcome


def test_a_folder_that_is_not_there_is_said_as_it_was_given() -> None:
    with pytest.raises(FileNotFoundError, match=r"^Local job directory not found: ~/no such calculation$"):
        select_folder_inputs(Path("~/no such calculation"), VASP)


def test_vasp_sends_its_four_files_and_no_other(calculation: Path) -> None:
    (calculation / "WAVECAR").write_text("large")
    inputs = select_folder_inputs(calculation, VASP)
    assert sorted(inputs.files) == ["INCAR", "KPOINTS", "POSCAR", "POTCAR"]
    assert (inputs.missing, inputs.problems) == ([], [])


def test_a_missing_potcar_is_skipped_and_said(calculation: Path) -> None:
    (calculation / "POTCAR").unlink()
    assert select_folder_inputs(calculation, VASP).missing == ["POTCAR"]
    (calculation / "KPOINTS").unlink()
    assert select_folder_inputs(calculation, VASP).missing == ["KPOINTS", "POTCAR"]
    (calculation / "INCAR").write_text(" KSPACING = 0.2\n")
    assert select_folder_inputs(calculation, VASP).missing == ["POTCAR"]
    for name in ("POSCAR", "INCAR"):
        (calculation / name).unlink()
    with pytest.raises(NotFound, match="has none of"):
        select_folder_inputs(calculation, VASP)


def test_potentials_in_another_order_than_the_species_are_a_problem(calculation: Path) -> None:
    poscar = calculation / "POSCAR"
    poscar.write_text(poscar.read_text().replace("Ga As", "As Ga"))
    assert select_folder_inputs(calculation, VASP).problems == ["POSCAR has the species As Ga, POTCAR Ga As"]
    poscar.write_text(poscar.read_text().replace("   As Ga\n", ""))  # as VASP 4 wrote them: nothing can be said
    assert select_folder_inputs(calculation, VASP).problems == []


def test_vasp_energies_by_ionic_step() -> None:
    outcome = VASP.parse_outputs({"OSZICAR": text("vasp", "OSZICAR")})
    assert [(point.step, point.values["energy"], point.values["electronic_steps"]) for point in outcome.steps] == [
        (1, -526.36024, 18),
        (2, -526.28914, 9),
        (3, -526.54171, 8),
        (4, -526.55866, 8),
    ]
    assert outcome.steps[2].values["energy_change"] == -0.181479
    assert outcome.summary["energy"] == -526.55866
    assert outcome.converged is None


def test_a_line_that_is_half_written_is_not_read() -> None:
    cut = text("vasp", "OSZICAR").rstrip()[:-30]
    assert len(VASP.parse_outputs({"OSZICAR": cut}).steps) == 3


def test_vasp_converged_and_not(tmp_path: Path) -> None:
    good = text("vasp", "OUTCAR")
    assert agree(tmp_path, "vasp", {"OUTCAR": good}).converged
    ionic = good.replace("reached required accuracy", "")
    outcome = agree(tmp_path, "vasp", {"OUTCAR": ionic, "CONTCAR": "Ga4 As4\n"})
    assert outcome.reason == "the ionic steps did not converge: EDIFFG was not reached"
    assert outcome.restart_files == {"CONTCAR": "POSCAR"}
    assert agree(tmp_path, "vasp", {"OUTCAR": ionic.replace("IBRION =      2", "IBRION =     -1"), "CONTCAR": ""}).converged
    electronic = good.replace("because EDIFF is reached", "EDIFF was not reached")
    assert agree(tmp_path, "vasp", {"OUTCAR": electronic}).reason == "the electronic steps did not converge: EDIFF was not reached"
    outcome = agree(tmp_path, "vasp", {"OUTCAR": good.partition(" General timing")[0], "CONTCAR": ""})
    assert outcome.reason == "OUTCAR ends early: VASP did not come to its end"
    assert outcome.restart_files == {}


def test_elk_energies_and_convergence(tmp_path: Path) -> None:
    texts = {"TOTENERGY.OUT": text("elk", "TOTENERGY.OUT"), "INFO.OUT": text("elk", "INFO.OUT"), "stdout.txt": "Elk code stopped\n"}
    outcome = agree(tmp_path, "elk", texts)
    assert outcome.converged
    assert [point.step for point in outcome.steps] == list(range(1, 14))
    assert outcome.summary == {"energy": pytest.approx(-241.943434425), "loops": 13}


def test_elk_that_exits_0_on_a_broken_input_has_failed(tmp_path: Path) -> None:
    outcome = agree(tmp_path, "elk", {"stdout.txt": text("elk", "broken-stdout.txt")})
    assert outcome.converged is False
    assert "Problem occurred in 'ngridk' block" in str(outcome.reason)


def test_elk_that_ends_early_or_gives_up_has_failed(tmp_path: Path) -> None:
    info = text("elk", "INFO.OUT")
    given_up = {"stdout.txt": "", "INFO.OUT": info.replace("Convergence targets achieved", "Reached self-consistent loops maximum")}
    assert agree(tmp_path, "elk", given_up).reason == "the self-consistent loop did not converge"
    (tmp_path / "INFO.OUT").write_text("Loop number : 1\n")
    assert check(tmp_path, "elk") == "Elk did not come to its end"


def test_a_command_has_every_file_but_ours(tmp_path: Path) -> None:
    for name in ("a file", "deep/er/x", "job.toml", ".hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(select_folder_inputs(tmp_path, COMMAND).files) == [".hidden", "a file", "deep/er/x"]
