"""The Elk LAPW code (https://elk.sourceforge.io, manual: "Output files"). It exits 0 whatever happens."""

import re
from collections.abc import Mapping
from pathlib import Path

from tasuki.hpc.profiles.profile import CalculationResult, InputSelection, Profile, StepMetrics, every_file, number

__all__ = ["ELK"]

CHECK = r"""
error=$(sed -n '/^Error(/,/^$/p' stdout.txt | tr '\n' ' ')
[ -z "$error" ] || { echo "$error"; exit 1; }
[ -e INFO.OUT ] || { echo 'Elk wrote no INFO.OUT'; exit 1; }
grep -q 'stopped |' INFO.OUT || { echo 'Elk did not come to its end'; exit 1; }
! grep -q 'Reached self-consistent loops maximum' INFO.OUT || { echo 'the self-consistent loop did not converge'; exit 1; }
"""
CONVERGED = "Convergence targets achieved"
GAVE_UP = "Reached self-consistent loops maximum"
ERROR = re.compile(r"^Error\(.*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)


def choose(folder: Path) -> InputSelection:
    """Select every file: species and restart files have arbitrary names."""
    files = every_file(folder)
    return InputSelection(files, [] if "elk.in" in files else ["elk.in"], [])


def read(texts: Mapping[str, str]) -> CalculationResult:
    """Read one total energy per loop, in Hartree."""
    energies = [number(word) for word in texts.get("TOTENERGY.OUT", "").split()]
    points = [StepMetrics(step, {"energy": energy}) for step, energy in enumerate(energies, 1) if energy is not None]
    summary = dict(points[-1].values) | {"loops": float(len(energies))} if points else {}
    if error := ERROR.search(texts.get("stdout.txt", "")):
        return CalculationResult(False, " ".join(error[0].split()), points, summary)
    info = texts.get("INFO.OUT", "")
    if GAVE_UP in info:
        return CalculationResult(False, "the self-consistent loop did not converge", points, summary, {"STATE.OUT": "STATE.OUT"})
    return CalculationResult(True if CONVERGED in info else None, None, points, summary)


ELK = Profile(
    "elk",
    choose,
    "elk-lapw",
    CHECK,
    ("*.OUT", "stdout.txt"),
    ("TOTENERGY.OUT", "INFO.OUT", "stdout.txt"),
    {"STATE.OUT": "STATE.OUT"},
    ("TOTENERGY.OUT",),
    read,
)
