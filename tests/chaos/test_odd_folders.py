"""Data folders that refuse: locks that are not there, as on NFS; a read-only mount."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.conftest import OpenStore
from tests.support.acknowledged_calls import PROJECT, acknowledged, check
from tests.support.processes import Child
from tests.support.remote_server import Server, all_there, differences, records_at, records_in
from tests.support.shell import TASUKI, environment, tasuki
from tests.support.training_processes import AS_TOLD, ended, logged

NO_LOCKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every lock of a file below $NO_LOCKS_BELOW is refused, as NFS without its lock daemon does; with $NO_FLOCK_BELOW only flock
   is, and as Lustre does. */
static int ours(int fd, const char *variable) {
    char link[64], path[4096];
    const char *folder = getenv(variable);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0 || !folder) return 0;
    path[size] = 0;
    return !strncmp(path, folder, strlen(folder));
}

static int refused(int fd, int command) {
    return (command == F_SETLK || command == F_SETLKW) && ours(fd, "NO_LOCKS_BELOW");
}

#define FCNTL(NAME) \\
    int NAME(int fd, int command, ...) { \\
        va_list arguments; \\
        va_start(arguments, command); \\
        void *argument = va_arg(arguments, void *); \\
        va_end(arguments); \\
        if (refused(fd, command)) { errno = ENOLCK; return -1; } \\
        return ((int (*)(int, int, ...)) dlsym(RTLD_NEXT, #NAME))(fd, command, argument); \\
    }

FCNTL(fcntl)
FCNTL(fcntl64)

int flock(int fd, int operation) {
    if (ours(fd, "NO_LOCKS_BELOW")) { errno = ENOLCK; return -1; }
    if (ours(fd, "NO_FLOCK_BELOW")) { errno = ENOSYS; return -1; }
    return ((int (*)(int, int)) dlsym(RTLD_NEXT, "flock"))(fd, operation);
}
"""
BOUND = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"']
TRIES = """
import sys, tasuki
try:
    tasuki.init("p", dir=sys.argv[1])
except tasuki.TasukiError as error:
    print("refused", type(error).__name__, error, flush=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


# -- locks that are refused


@pytest.fixture(scope="module")
def no_locks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a library, for LD_PRELOAD, under which locks are refused."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not there")
    folder = tmp_path_factory.mktemp("preload")
    source, library = folder / "no_locks.c", folder / "no_locks.so"
    source.write_text(NO_LOCKS)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)


@pytest.mark.parametrize("how", ["lockf", "flock"])
def test_the_library_refuses_locks(how: str, no_locks: str, tmp_path: Path):
    script = f"import fcntl; fcntl.{how}(open('{tmp_path}/file', 'w'), fcntl.LOCK_EX)"
    variables = os.environ | {"LD_PRELOAD": no_locks, "NO_LOCKS_BELOW": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True)
    assert "No locks available" in done.stderr


def test_where_locks_are_refused_killed_processes_lose_and_double_nothing(
    server: Server, no_locks: str, data_dir: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LD_PRELOAD", no_locks)
    monkeypatch.setenv("NO_LOCKS_BELOW", str(data_dir))
    with ExitStack() as stack:
        children = [stack.enter_context(Child(AS_TOLD, server.url, f"main{n}", data_dir)) for n in range(3)]
        for child in children:
            logged(child, 30)
        children[0].kill_all()
        lines = children[0].lines + [line for child in children[1:] for line in ended(child, 10)]
        with Child(AS_TOLD, server.url, "later", data_dir) as later:
            lines += ended(later, 10)
    done = tasuki(data_dir, "sync", "--to", server.url)
    assert done.returncode == 0, done.stderr
    asked = tasuki(data_dir, "run", "list", "--project", PROJECT)
    assert asked.returncode != 0
    assert "does not support locks" in asked.stderr
    monkeypatch.delenv("LD_PRELOAD")
    all_there(server, acknowledged(lines))
    assert differences(data_dir, server.url) == []
    assert records_at(server, data_dir) == records_in(data_dir)
    with open_store() as store:
        assert check(store, acknowledged(lines)) == {}


def test_doctor_has_all_its_lines_where_flock_is_refused(no_locks: str, data_dir: Path):
    with Child(AS_TOLD, "", "main", data_dir) as child:
        ended(child, 20)
    target = {"TASUKI_NOTIFY": "https://hooks.example/x"}
    before = doctor(data_dir, 1, **target)
    assert "nobody delivers them to https://hooks.example" in before["alerts"]["found"]
    after = doctor(data_dir, 1, **target, LD_PRELOAD=no_locks, NO_FLOCK_BELOW=str(data_dir))
    assert list(after) == list(before)
    assert [name for name, check in after.items() if check["state"] != "ok"] == ["alerts"]
    assert after["alerts"]["state"] == "degraded"
    lock = data_dir / "notify" / "lock"
    assert f"cannot lock {lock}: the file system does not support locks" in after["alerts"]["found"]
    assert "local disk" in after["alerts"]["hint"]


def test_doctor_names_the_store_and_the_alerts_where_no_store_can_be_made(no_locks: str, data_dir: Path):
    data_dir.mkdir()
    refused = {"LD_PRELOAD": no_locks, "NO_LOCKS_BELOW": str(data_dir)}
    checks = doctor(data_dir, 2, TASUKI_NOTIFY="https://hooks.example/x", **refused)
    assert {name: check["state"] for name, check in checks.items()} == {
        "data folder": "ok",
        "store": "broken",
        "alerts": "degraded",
    }
    assert "does not support locks" in checks["store"]["found"]
    assert "no data is lost" in checks["store"]["hint"]


def doctor(folder: Path, code: int, **variables: str) -> dict[str, dict[str, Any]]:
    """Run `tasuki doctor --json`, and return its checks by name."""
    done = tasuki(folder, "doctor", "--json", **variables)
    assert done.returncode == code, done.stdout + done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


# -- read-only


@pytest.fixture
def read_only(data_dir: Path) -> list[str]:
    """Runs a command that sees the data folder mounted read-only."""
    data_dir.mkdir()
    prefix = [*BOUND, str(data_dir)]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("mount namespaces are not permitted")
    return prefix


def test_init_in_a_read_only_folder_is_refused_with_what_to_do(data_dir: Path, read_only: list[str]):
    with Child(TRIES, data_dir, prefix=read_only) as child:
        said = child.expect("refused ")
        assert child.end() == 0, child.complaints()
    assert said.startswith("JournalError")
    assert "Read-only file system" in said
    assert "export TASUKI_DIR" in said
    assert list(data_dir.iterdir()) == []


def test_commands_in_a_read_only_folder_say_what_is_wrong(data_dir: Path, read_only: list[str]):
    with Child(AS_TOLD, "", "main", data_dir) as child:
        ended(child, 20)
    for command in (["doctor"], ["run", "list", "--project", PROJECT]):
        done = subprocess.run([*read_only, *TASUKI, *command], env=environment(data_dir), capture_output=True, text=True)
        assert "Traceback" not in done.stderr, done.stderr
        assert "can't be written" in done.stdout + done.stderr, command
        assert done.returncode != 0
