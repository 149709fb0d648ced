"""Profiles: the supported programs, a module each."""

from tasuki.hpc.profiles.command import COMMAND
from tasuki.hpc.profiles.elk import ELK
from tasuki.hpc.profiles.profile import CalculationResult, InputSelection, Profile, StepMetrics, select_folder_inputs
from tasuki.hpc.profiles.vasp import VASP

__all__ = ["PROFILES", "CalculationResult", "InputSelection", "Profile", "StepMetrics", "select_folder_inputs"]

PROFILES: dict[str, Profile] = {"command": COMMAND, "elk": ELK, "vasp": VASP}
