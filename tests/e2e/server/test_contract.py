"""The public contract is what `tests/golden/contract.json` says: names, HTTP API, command line, settings, records, and tables.

A change that adds to the contract records it anew (see `tests/support/contract.py`); one that removes from it breaks users.
"""

import json

import tasuki
from tests.support.contract import ROOT, contract
from tests.support.servers import Server


def test_the_contract_is_the_one_on_record(server: Server, folder, tmp_path):
    run = tasuki.init(project="p", name="r", remote=server.url, dir=tmp_path / "runs")
    run.log({"a": 1})
    assert run.finish()["pending"] == 0
    server.client.get("/api/v1/runs", params={"project": "p"}).raise_for_status()  # the store is there
    assert contract(folder, server.url) == json.loads((ROOT / "tests/golden/contract.json").read_text())
