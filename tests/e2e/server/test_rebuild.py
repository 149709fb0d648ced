"""`rebuild` while records arrive: readers go on reading, and nothing is missing afterwards."""

import subprocess
import sys
import threading

from tasuki.settings import load
from tasuki.store import open_folder_store

LOGGER = """
import select, sys, time, tasuki
run = tasuki.init("p", id="live", dir=sys.argv[1])
step = 0
while not select.select([sys.stdin], [], [], 0.005)[0]:
    for step in range(step, step + 100):
        run.log({"x": step}, step=step)
    step += 1
    if step == 1000:
        print("go", flush=True)
run.finish()
print(step, flush=True)
"""


def test_a_rebuild_while_records_arrive_loses_nothing_and_stops_nobody(tmp_path):
    logger = subprocess.Popen(
        [sys.executable, "-c", LOGGER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert logger.stdout.readline() == "go\n"
    read: list[int] = []
    building = threading.Event()
    building.set()

    def reader():
        with open_folder_store(load(dir=str(tmp_path))) as store:
            while building.is_set():
                read.append(store.run("p", "live").points)

    thread = threading.Thread(target=reader)
    thread.start()
    generations = []
    with open_folder_store(load(dir=str(tmp_path))) as store:
        for _ in range(5):
            generations.append(store.rebuild().generation)
        building.clear()
        thread.join()
        logger.stdin.write("stop\n")
        logger.stdin.close()
        steps = int(logger.stdout.readline())
        assert logger.wait(10) == 0
        logger.stdout.close()
        assert [row.metrics["x"] for row in store.history("p", "live")] == list(range(steps))
        assert store.verify().problems == []
    assert len(set(generations)) == 5
    assert read == sorted(read)
    assert len(read) > 3
