"""A login node far away: a proxy that delivers every byte so much later, and keeps no order but that."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.cluster_control import Cluster
from tests.support.remote_server import free_port

HOST = "127.0.0.1"
PIECE_BYTES = 1 << 16


async def delayed(source: asyncio.StreamReader, target: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what comes, so much later, without holding back what comes behind it."""
    on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def deliver() -> None:
        while True:
            due, piece = await on_its_way.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                return
            target.write(piece)
            await target.drain()

    delivery = asyncio.create_task(deliver())
    with suppress(OSError):
        while piece := await source.read(PIECE_BYTES):
            on_its_way.put_nowait((loop.time() + seconds, piece))
    on_its_way.put_nowait((loop.time() + seconds, b""))
    with suppress(OSError):
        await delivery
    target.close()


@contextmanager
def far_away(cluster: Cluster, folder: Path, round_trip_seconds: float) -> Iterator[Path]:
    """An ssh configuration in which the host `far` is the login node, at this distance, for the user key."""
    port, loop = free_port(), asyncio.new_event_loop()

    writers: list[asyncio.StreamWriter] = []

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_node = await asyncio.open_connection(HOST, cluster.ssh_port)
        writers.extend((writer, to_node[1]))
        with suppress(asyncio.CancelledError):  # the block has ended
            await asyncio.gather(
                delayed(reader, to_node[1], round_trip_seconds / 2), delayed(to_node[0], writer, round_trip_seconds / 2)
            )

    async def serve() -> None:
        async with await asyncio.start_server(accepted, HOST, port):
            await stopped.wait()

    stopped = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    config = folder / "far"
    config.write_text(
        f"Host far\n  HostName {HOST}\n  Port {port}\n  User {cluster.user('key')}\n"
        f"  HostKeyAlias [{HOST}]:{cluster.ssh_port}\nInclude {cluster.config}\n"
    )
    try:
        yield config
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.run_until_complete(hang_up(writers))
        loop.close()


async def hang_up(writers: list[asyncio.StreamWriter]) -> None:
    """End every connection, and whatever passes something on."""
    passing_on = asyncio.all_tasks() - {asyncio.current_task()}
    for task in passing_on:
        task.cancel()
    await asyncio.gather(*passing_on, return_exceptions=True)
    for writer in writers:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
