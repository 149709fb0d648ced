"""Runs all groups of tests, or one of them: `python tests/groups.py [GROUP [PYTEST_ARGUMENT ...]]`."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


TWO_AT_ONCE = ["-n2", "--dist=loadfile"]
"""Where each file of tests stands for itself."""
GROUPS = {
    "check": ["make", "--no-print-directory", "check"],
    "unit": pytest("tests/unit", *TWO_AT_ONCE),
    "contracts": pytest("tests/contracts"),
    "model": pytest("tests/model", "tests/golden"),
    "e2e": pytest("tests/e2e", "tests/compat", *TWO_AT_ONCE),
    "chaos": pytest("tests/chaos", *TWO_AT_ONCE),
    "cluster": pytest("tests/cluster"),
    "browser": pytest("tests/browser", *TWO_AT_ONCE),
}


def main(arguments: list[str]) -> int:
    chosen, more = arguments[:1] or list(GROUPS), arguments[1:]
    if unknown := set(chosen) - set(GROUPS):
        print(f"no group {unknown.pop()!r}; the groups are {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    outcomes = []
    for group in chosen:
        print(f"\n━━ {group} ━━", flush=True)
        started = time.monotonic()
        code = subprocess.run([*GROUPS[group], *more], cwd=ROOT).returncode
        outcomes.append((group, code, time.monotonic() - started))
    print()
    for group, code, seconds in outcomes:
        print(f"{group:<10} {'ok' if code == 0 else f'FAILED (exit {code})':<18} {seconds:6.1f} s")
    return int(any(code for _, code, _ in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
