"""The list of review points is true: its tests are there, and run against a folder and against a server."""

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT

POINTS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("review_points.toml").read_text())["point"]
BOTH = {"target", "seeded_target"}


def functions(path: str) -> dict[str, ast.FunctionDef]:
    """The functions of a file, tests and fixtures, by name."""
    return {node.name: node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)}


def asked_for(name: str, there: dict[str, ast.FunctionDef]) -> set[str]:
    """The fixtures that a test asks for, itself or through a fixture of its file."""
    if name not in there:
        return {name}
    return {name}.union(*(asked_for(argument.arg, there) for argument in there[name].args.args))


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point["line"])
def test_a_review_point_has_its_tests_against_a_folder_and_a_server(point: dict[str, Any]):
    assert point["tests"]
    alone = point.get("alone", {})
    assert set(alone) <= set(point["tests"])
    for test in point["tests"]:
        path, _, name = test.partition("::")
        there = functions(path)
        assert name in there, f"{test} is not there"
        assert bool(asked_for(name, there) & BOTH) != (test in alone), f"{test} should run against both, or say why not"


def test_no_review_point_is_listed_twice():
    lines = [point["line"] for point in POINTS]
    assert len(lines) == len(set(lines)) == 16
