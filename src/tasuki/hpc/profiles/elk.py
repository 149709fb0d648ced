"""The Elk LAPW code (https://elk.sourceforge.io, manual: "Output files"). It exits 0 whatever happens."""

import re
from collections.abc import Mapping
from pathlib import Path

from tasuki.hpc.profiles.profile import CalculationResult, InputSelection, Profile, StepMetrics, list_files, parse_number

__all__ = ["ELK"]

CHECK_SCRIPT = r"""
error=$(sed -n '/^Error(/,/^$/p' stdout.txt | tr '\n' ' ')
[ -z "$error" ] || { echo "$error"; exit 1; }
[ -e INFO.OUT ] || { echo 'Elk wrote no INFO.OUT'; exit 1; }
grep -q 'stopped |' INFO.OUT || { echo 'Elk did not come to its end'; exit 1; }
! grep -q 'Reached self-consistent loops maximum' INFO.OUT || { echo 'the self-consistent loop did not converge'; exit 1; }
"""
CONVERGED_TEXT = "Convergence targets achieved"
NOT_CONVERGED_TEXT = "Reached self-consistent loops maximum"
ERROR_PATTERN = re.compile(r"^Error\(.*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)


def select_inputs(folder: Path) -> InputSelection:
    """Select every file: species and restart files have arbitrary names."""
    files = list_files(folder)
    return InputSelection(files, [] if "elk.in" in files else ["elk.in"], [])


def parse_outputs(texts: Mapping[str, str]) -> CalculationResult:
    """Read one total energy per loop, in Hartree."""
    energies = [parse_number(word) for word in texts.get("TOTENERGY.OUT", "").split()]
    points = [StepMetrics(step, {"energy": energy}) for step, energy in enumerate(energies, 1) if energy is not None]
    summary = dict(points[-1].values) | {"loops": float(len(energies))} if points else {}
    if error := ERROR_PATTERN.search(texts.get("stdout.txt", "")):
        return CalculationResult(False, " ".join(error[0].split()), points, summary)
    info = texts.get("INFO.OUT", "")
    if NOT_CONVERGED_TEXT in info:
        return CalculationResult(False, "the self-consistent loop did not converge", points, summary, {"STATE.OUT": "STATE.OUT"})
    return CalculationResult(True if CONVERGED_TEXT in info else None, None, points, summary)


ELK = Profile(
    "elk",
    select_inputs,
    "elk-lapw",
    CHECK_SCRIPT,
    ("*.OUT", "stdout.txt"),
    ("TOTENERGY.OUT", "INFO.OUT", "stdout.txt"),
    {"STATE.OUT": "STATE.OUT"},
    ("TOTENERGY.OUT",),
    parse_outputs,
)
