"""VASP (https://www.vasp.at/wiki: INCAR, POSCAR, POTCAR, OSZICAR, OUTCAR). Energies are in eV."""

import re
from collections.abc import Mapping
from pathlib import Path

from tasuki.hpc.profiles.profile import CalculationResult, InputSelection, Profile, StepMetrics, parse_number, select_files

__all__ = ["VASP"]

INPUT_NAMES = ("POSCAR", "INCAR", "KPOINTS", "POTCAR")
CHECK_SCRIPT = r"""
[ -e OUTCAR ] || { echo 'VASP wrote no OUTCAR'; exit 1; }
grep -q 'General timing and accounting' OUTCAR || { echo 'OUTCAR ends early: VASP did not come to its end'; exit 1; }
if grep -q 'aborting loop EDIFF was not reached' OUTCAR || ! grep -q 'aborting loop because EDIFF is reached' OUTCAR; then
    echo 'the electronic steps did not converge: EDIFF was not reached'
    exit 1
fi
steps=$(sed -n 's/^ *NSW *= *\([0-9]*\).*/\1/p' OUTCAR | head -n 1)
how=$(sed -n 's/^ *IBRION *= *\(-*[0-9]*\).*/\1/p' OUTCAR | head -n 1)
case $how in
    1 | 2 | 3) [ "${steps:-0}" -lt 2 ] || grep -q 'reached required accuracy' OUTCAR || {
        echo 'the ionic steps did not converge: EDIFFG was not reached'
        exit 1
    } ;;
esac
"""
IONIC_STEP_PATTERN = re.compile(r"^\s*(\d+)\s+F=\s*(\S+)\s+E0=\s*(\S+)\s+d E =\s*([-+.\dE]+)(?:\s+mag=\s*(\S+))?", re.MULTILINE)
ELECTRONIC_STEP_PATTERN = re.compile(r"^(?:DAV|RMM|CG|DIA|SDA|EDA):\s*(\d+)\s+(\S+)", re.MULTILINE)
SPECIES_PATTERN = re.compile(r"TITEL\s*=\s*\S+\s+([A-Z][a-z]?)")
SYMBOL_PATTERN = re.compile(r"[A-Z][a-z]?")
RELAXATION_IBRIONS = frozenset({1, 2, 3})
"""IBRION of those that go on until forces are small."""


def select_inputs(folder: Path) -> InputSelection:
    """Select four files; ignore the rest. Raise NotFound if none exists."""
    files = select_files(folder, INPUT_NAMES)
    missing = [name for name in INPUT_NAMES if name not in files and not (name == "KPOINTS" and has_kspacing(files))]
    return InputSelection(files, missing, find_species_problems(files))


def has_kspacing(files: Mapping[str, Path]) -> bool:
    """Return whether INCAR sets the spacing that KPOINTS would."""
    incar = files.get("INCAR")
    return incar is not None and re.search(r"^\s*KSPACING\s*=", incar.read_text(errors="replace"), re.MULTILINE) is not None


def find_species_problems(files: Mapping[str, Path]) -> list[str]:
    """Return problems of POTCAR: it must list POSCAR's species in order, which VASP itself does not check."""
    if "POSCAR" not in files or "POTCAR" not in files:
        return []
    wanted = parse_poscar_species(files["POSCAR"].read_text(errors="replace"))
    given = SPECIES_PATTERN.findall(files["POTCAR"].read_text(errors="replace"))
    if not wanted or wanted == given:
        return []
    return [f"POSCAR has the species {' '.join(wanted)}, POTCAR {' '.join(given) or 'none'}"]


def parse_poscar_species(text: str) -> list[str]:
    """Return the species on POSCAR's sixth line; files of old versions have none."""
    lines = text.splitlines()
    words = [word.partition("_")[0].partition("/")[0] for word in lines[5].split()] if len(lines) > 5 else []
    return words if words and all(SYMBOL_PATTERN.fullmatch(word) for word in words) else []


def parse_outputs(texts: Mapping[str, str]) -> CalculationResult:
    """Read energies by ionic step from OSZICAR, convergence from OUTCAR."""
    points = parse_oszicar(texts.get("OSZICAR", ""))
    summary = dict(points[-1].values) | {"ionic_steps": float(len(points))} if points else {}
    outcar = texts.get("OUTCAR")
    if outcar is None:
        return CalculationResult(None, None, points, summary)
    reason = find_failure_reason(outcar)
    restart = {"CONTCAR": "POSCAR"} if reason and texts.get("CONTCAR", "").strip() else {}
    return CalculationResult(reason is None, reason, points, summary, restart)


def parse_oszicar(text: str) -> list[StepMetrics]:
    """Return a point per ionic step, with its number of electronic steps."""
    points, begin = [], 0
    for found in IONIC_STEP_PATTERN.finditer(text):
        step, free, without_entropy, change, magnetization = found.groups()
        electronic = ELECTRONIC_STEP_PATTERN.findall(text, begin, found.start())
        words = {"energy": free, "energy_sigma0": without_entropy, "energy_change": change, "magnetization": magnetization or ""}
        values = {name: value for name, word in words.items() if (value := parse_number(word)) is not None}
        points.append(StepMetrics(int(step), values | {"electronic_steps": float(len(electronic))}))
        begin = found.end()
    return points


def find_failure_reason(text: str) -> str | None:
    """Return why the calculation is not converged; None if it is."""
    if "General timing and accounting" not in text:
        return "OUTCAR ends early: VASP did not come to its end"
    if "aborting loop EDIFF was not reached" in text or "aborting loop because EDIFF is reached" not in text:
        return "the electronic steps did not converge: EDIFF was not reached"
    relaxes = parse_outcar_number(text, "IBRION") in RELAXATION_IBRIONS and (parse_outcar_number(text, "NSW") or 0) > 1
    if relaxes and "reached required accuracy" not in text:
        return "the ionic steps did not converge: EDIFFG was not reached"
    return None


def parse_outcar_number(text: str, name: str) -> int | None:
    """Return an integer that OUTCAR repeats from INCAR."""
    found = re.search(rf"^\s*{name}\s*=\s*(-?\d+)", text, re.MULTILINE)
    return int(found[1]) if found else None


VASP = Profile(
    "vasp",
    select_inputs,
    "${VASP_LAUNCHER:-mpirun} ${VASP_COMMAND:-vasp_std}",
    CHECK_SCRIPT,
    ("OUTCAR", "vasprun.xml", "OSZICAR", "CONTCAR", "stdout.txt"),
    ("OSZICAR", "OUTCAR", "CONTCAR"),
    {"CONTCAR": "POSCAR"},
    ("OSZICAR",),
    parse_outputs,
)
