"""Whoever delivers alerts is killed at random moments: each alert is told, and at most one a kill is told twice."""

import random
import signal
import time
from collections import Counter
from pathlib import Path

import yaml

import tasuki
from tests.e2e.server.test_notify import Watching
from tests.support.processes import eventually
from tests.support.soak import scaled
from tests.support.webhook_receiver import Receiver

ALERTS = 5


def test_killed_at_random_moments_every_alert_is_told_and_few_are_told_twice(tmp_path: Path):
    chance, told = random.Random(7), []
    with Receiver() as receiver:
        (tmp_path / "tasuki.yaml").write_text(yaml.safe_dump({"notify": [receiver.url]}))
        run = tasuki.init("p", "r", dir=str(tmp_path))
        kills = scaled(3, 60)
        for number in range(kills):
            watcher = Watching(tmp_path)
            for place in range(ALERTS):
                told.append(f"{number}.{place}")
                run.alert(told[-1])
            time.sleep(chance.uniform(0.0, 0.8))
            receiver.answers = [(503, {})] if chance.random() < 0.3 else []
            watcher.end(signal.SIGKILL)
        while set(told) - set(receiver.titles()):  # a fresh one may send ten at once
            watcher = Watching(tmp_path)
            wanted = min(len(set(receiver.titles())) + 8, len(told))
            eventually(lambda wanted=wanted: len(set(receiver.titles())) >= wanted)
            watcher.end()
        run.finish()
    times = Counter(receiver.titles())
    assert set(times) == set(told)
    assert sum(times.values()) - len(told) <= kills
