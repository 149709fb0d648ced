"""The public contract as one JSON document: names, HTTP API, command line, settings, record tags, and tables.

`python -m tests.support.contract FOLDER URL` prints it for the tasuki that is installed, a data folder, and its server.
"""

import hashlib
import importlib
import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

import apsw

ROOT = Path(__file__).parents[2]
PROSE = {"description", "summary", "title", "operationId", "tags", "examples"}
"""Keys of an OpenAPI document that may change: they describe, and clients don't depend on them."""


def names() -> dict[str, list[str]]:
    """Return the public names of each public module."""
    return {name: sorted(importlib.import_module(name).__all__) for name in ("tasuki", "tasuki.hpc", "tasuki.testing")}


def settings() -> dict[str, list[str]]:
    """Return the environment variables of each setting."""
    table = importlib.import_module("tasuki.settings").TABLE
    return {row.key: list(row.variables) for row in table}


def record_fields() -> dict[str, list[str]]:
    """Return the fields of each record by its tag, in the order in which they are written."""
    records = importlib.import_module("tasuki.records")
    kinds = [kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, records.Record)]
    tagged = {kind.__struct_config__.tag: list(kind.__struct_encode_fields__) for kind in kinds}
    return {str(tag): fields for tag, fields in sorted(tagged.items(), key=str) if tag is not None}


def options(page: str) -> dict[str, list[str]]:
    """Return the arguments and options of each command in the generated page of the command line."""
    found: dict[str, list[str]] = {}
    command = ""
    for line in page.splitlines():
        if heading := re.match(r"#+ `?(tasuki[^`]*)`?$", line):
            command = heading[1]
            found[command] = []
        elif command and (row := re.match(r"\| `([^`]+)` \|", line)):
            found[command].append(row[1])
    return found


def tables(folder: Path) -> dict[str, list[str]]:
    """Return the columns of each table in the databases of a server's data folder."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.db")):
        kind = re.sub(r"\.\d+", "", path.name)
        db = apsw.Connection(f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall():
            found[f"{kind}:{table}"] = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        db.close()
    return dict(sorted(found.items()))


def http_api(url: str) -> dict[str, Any]:
    """Return a server's OpenAPI document without prose. A schema is named by a hash of what it holds, not by its class."""
    with urllib.request.urlopen(f"{url}/openapi.json") as answer:
        document = json.load(answer)
    components = document["components"]["schemas"]
    schemas: dict[str, Any] = {}

    def plain(node: Any, above: tuple[str, ...] = ()) -> Any:
        if isinstance(node, list):
            return [plain(one, above) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            if name in above:
                return "itself"
            schema = plain(components[name], (*above, name))
            key = hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:10]
            schemas[key] = schema
            return key
        kept = {key: plain(one, above) for key, one in node.items() if key not in PROSE and key != "properties"}
        if isinstance(properties := node.get("properties"), dict):
            kept["properties"] = {key: plain(one, above) for key, one in properties.items()}
        return kept

    operations = {
        f"{method.upper()} {path}": plain(operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    return {"operations": operations, "schemas": schemas}


def contract(folder: Path, url: str) -> dict[str, Any]:
    """Return the whole contract of a data folder and its server."""
    page = (ROOT / "docs/cli.md").read_text()
    return {
        "names": names(),
        "settings": settings(),
        "records": record_fields(),
        "command line": options(page),
        "tables": tables(folder),
        "http": http_api(url),
    }


if __name__ == "__main__":
    document = json.dumps(contract(Path(sys.argv[1]), sys.argv[2]), indent=1, sort_keys=True)
    sys.stdout.write(re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", document) + "\n")
