import asyncio
from pathlib import Path

from tasuki.journal import read_stop_file, stop_file_path
from tasuki.records import StopCommand
from tasuki.server.workers.stop_requests import StopRequests
from tasuki.store import ChangeEvent, StopRequestRow

WORD = StopRequestRow("p", "r7", "a", "diverges", "ada")
CONTROL = StopCommand(run="r7", attempt="a", stop="diverges", by="ada")


def test_of_ten_thousand_who_listen_only_the_one_that_is_meant_is_woken(tmp_path: Path):
    async def listen() -> list[dict]:
        mailbox = StopRequests(tmp_path)
        waiting = [asyncio.create_task(mailbox.wait({("p", f"r{n}", "a")}, 30)) for n in range(10_000)]
        await asyncio.sleep(0)
        mailbox.add([WORD])
        done, idle = await asyncio.wait(waiting, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(idle)) == (1, 9_999)
        mailbox.close()
        said = [task.result() for task in (await asyncio.wait(waiting))[0]]
        assert mailbox.waiters == {}
        assert mailbox.wakeups == set()
        return [answer for answer in said if answer]

    assert asyncio.run(listen()) == [{("p", "r7", "a"): CONTROL}]


def test_a_word_that_is_there_is_heard_at_once_and_the_first_one_stands(tmp_path: Path):
    async def listen() -> None:
        mailbox = StopRequests(tmp_path)
        mailbox.add([WORD, WORD._replace(reason="second")])
        assert await mailbox.wait([("p", "r7", "a"), ("p", "r8", "a")], 30) == {("p", "r7", "a"): CONTROL}
        assert mailbox.find_for_runs([("p", "r7"), ("p", "r8")]) == [CONTROL]

    asyncio.run(listen())


def test_a_later_attempt_and_another_project_hear_nothing(tmp_path: Path):
    async def listen() -> None:
        mailbox = StopRequests(tmp_path)
        mailbox.add([WORD])
        assert await mailbox.wait([("p", "r7", "b"), ("q", "r7", "a")], 0.01) == {}
        assert await mailbox.wait([], 0.01) == {}

    asyncio.run(listen())


def test_an_event_of_the_projection_is_heard(tmp_path: Path):
    mailbox = StopRequests(tmp_path)
    mailbox.handle_event(
        ChangeEvent(1, "p", "r7", '{"type":"stop","project":"p","run":"r7","attempt":"a","reason":"diverges","by":"ada"}')
    )
    mailbox.handle_event(ChangeEvent(2, "p", "r7", '{"type":"run","project":"p","run":"r7"}'))
    assert mailbox.find_for_runs([("p", "r7")]) == [CONTROL]
    assert read_stop_file(stop_file_path(tmp_path, "r7", "a")) == CONTROL, "a run that is made here finds it, too"
