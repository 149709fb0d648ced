"""The tests that documents name as proof."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
PROOFS = sorted(
    {
        proof
        for page in (TESTS.parent / "docs").glob("*.md")
        for proof in re.findall(r"`([a-z0-9_/]+\.py(?:::\w+)?)`", page.read_text())
    }
)


def test_the_page_on_durability_names_its_proofs():
    assert len([proof for proof in PROOFS if "::" in proof]) > 8


@pytest.mark.parametrize(
    "proof", [proof for proof in PROOFS if proof.split("/")[0] in {"unit", "chaos", "e2e", "model", "contracts"}]
)
def test_a_test_that_a_document_names_exists(proof: str):
    path, _, name = proof.partition("::")
    assert f"def {name}" in (TESTS / path).read_text()
