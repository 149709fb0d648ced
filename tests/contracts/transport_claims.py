"""What every transport promises."""

import asyncio
import io
import random
import tarfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tasuki.errors import DataError, RemoteRejected, RemoteUnavailable
from tasuki.hpc.transports.protocol import quote_path
from tasuki.hpc.transports.shell_transport import MAX_SESSIONS
from tasuki.hpc.transports.tar_stream import TarFile, iter_members

ODD_NAMES = ["a file with spaces", "ünïcödé ☃", "it's; echo foo", "two\nlines", "$HOME", "-rf", "deep/er/file", "n" * 120]

Run = Callable[[Awaitable[Any]], Any]


class TransportClaims:
    """Needs the fixtures `transport`, with a live login, `run`, which runs a coroutine of it, and `folder` at the other end."""

    def test_a_script_runs_with_its_output_code_and_complaints(self, transport: Any, run: Run) -> None:
        done = run(transport.exec("echo out; echo err >&2; exit 7"))
        assert (done.code, done.text, done.errors.strip()) == (7, "out\n", "err")

    def test_output_is_exact_to_the_byte(self, transport: Any, run: Run) -> None:
        assert run(transport.exec("printf 'no newline'")).output == b"no newline"
        assert run(transport.exec("printf '\\377\\000\\n\\n'")).output == b"\xff\0\n\n"
        assert run(transport.exec(":")).output == b""

    def test_a_script_is_text_of_any_kind_and_length(self, transport: Any, run: Run) -> None:
        script = "".join(f"# {'x' * 100} {n}\n" for n in range(3000)) + "cat <<'END'\na'; echo \"foo\" ☃ `id` $(id)\nEND"
        assert run(transport.exec(script)).text == 'a\'; echo "foo" ☃ `id` $(id)\n'

    def test_a_command_that_reads_stdin_does_not_eat_the_script(self, transport: Any, run: Run) -> None:
        assert run(transport.exec("cat; echo still; cat; echo here")).text == "still\nhere\n"

    def test_much_output_comes_whole(self, transport: Any, run: Run) -> None:
        assert len(run(transport.exec("dd if=/dev/zero bs=1000 count=5000 2>/dev/null")).output) == 5_000_000

    def test_what_takes_too_long_is_given_up(self, transport: Any, run: Run) -> None:
        started = time.monotonic()
        with pytest.raises(RemoteUnavailable, match=r"did not answer within 0\.3 s"):
            run(transport.exec("sleep 20", timeout=0.3))
        assert time.monotonic() - started < 10
        assert run(transport.exec("echo next")).text == "next\n"

    def test_a_connection_that_is_cut_is_said_so(self, transport: Any, run: Run) -> None:
        with pytest.raises(RemoteUnavailable, match="was cut"):
            run(transport.exec("echo begun; kill -9 $$"))

    def test_at_most_so_many_run_at_once(self, transport: Any, run: Run, folder: str) -> None:
        where = quote_path(folder)
        script = f"cd {where} && mkdir -p at && : > at/$$ && ls at | wc -l && sleep 0.2; rm {where}/at/$$"

        async def many() -> list[int]:
            return [int(done.text) for done in await asyncio.gather(*(transport.exec(script) for _ in range(12)))]

        run(transport.exec(f"mkdir -p {where}"))
        assert 1 <= max(run(many())) <= MAX_SESSIONS

    def test_files_arrive_whatever_they_are_called(self, transport: Any, run: Run, folder: str, tmp_path: Path) -> None:
        big = tmp_path / "big"
        big.write_bytes(random.Random(1).randbytes(3_000_001))
        files = [
            *(TarFile(f"in/{name}", f"<{name}>".encode()) for name in ODD_NAMES),
            TarFile("big", big),
            TarFile("run", b"x", 0o755),
        ]
        run(transport.put_tar(files, folder))
        found: dict[str, bytes] = {}

        def receive(stream: BinaryIO) -> None:
            found.update({name: content.read_all() for name, content in iter_members(stream)})

        run(transport.get_tar(f"cd {quote_path(folder)} && test -x run && tar -cf - in big", receive))
        assert found == {f"in/{name}": f"<{name}>".encode() for name in ODD_NAMES} | {"big": big.read_bytes()}

    def test_writing_again_replaces(self, transport: Any, run: Run, folder: str) -> None:
        for content in (b"first, which is longer", b"second"):
            run(transport.put_tar([TarFile("file", content)], folder))
        assert run(transport.exec(f"cat {quote_path(folder)}/file")).output == b"second"

    def test_a_folder_that_can_not_be_written_is_said_so(self, transport: Any, run: Run) -> None:
        with pytest.raises(RemoteRejected, match="can't store files in /proc/none"):
            run(transport.put_tar([TarFile("file", b"x" * 100_000)] * 20, "/proc/none"))

    def test_an_archive_that_can_not_be_made_is_said_so(self, transport: Any, run: Run) -> None:
        with pytest.raises(RemoteRejected, match="can't send files: no such thing"):
            run(transport.get_tar("echo no such thing >&2; exit 3", lambda stream: None))

    def test_who_stops_reading_gets_its_own_error(self, transport: Any, run: Run) -> None:
        def receive(stream: BinaryIO) -> None:
            stream.read(1000)
            raise DataError("the disk is full")

        with pytest.raises(DataError, match="the disk is full"):
            run(transport.get_tar("dd if=/dev/zero bs=1000 count=2000 2>/dev/null", receive))

    def test_a_cut_archive_ends_where_it_was_cut(self, transport: Any, run: Run) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name in ("one", "two"):
                info = tarfile.TarInfo(name)
                info.size = 4000
                archive.addfile(info, io.BytesIO(name.encode() * 1333 + b"."))
        sizes: dict[str, int] = {}

        def receive(stream: BinaryIO) -> None:
            sizes.update({name: len(content.read_all()) for name, content in iter_members(stream)})

        octal = "".join(f"\\{byte:03o}" for byte in buffer.getvalue()[:7000])
        with pytest.raises(RemoteUnavailable, match="was cut"):
            run(transport.get_tar(f"printf '{octal}'; kill -9 $$", receive))
        assert sizes["one"] == 4000
        assert sizes.get("two", 0) < 4000
