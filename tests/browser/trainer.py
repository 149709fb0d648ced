"""A training process: `python trainer.py DIR`. It does what each line of JSON on its stdin says, and answers with the run's id."""

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import tasuki


def log_that_it_was_stopped(run: tasuki.Run) -> None:
    deadline = time.monotonic() + 5
    while not run.should_stop() and time.monotonic() < deadline:
        time.sleep(0.02)
    if run.should_stop():
        run.log({"stopped": 1})


def done(calls: Iterator[dict[str, Any]], folder: str) -> Iterator[str]:
    run: Any = None
    for call in calls:
        match call.pop("do"):
            case "start":
                run = tasuki.init(dir=folder, **call)
            case "log":
                for step in range(call["step"], call.get("until", call["step"] + 1)):
                    run.log({name: float(value) for name, value in call["values"].items()}, step=step)
            case "stopped":
                log_that_it_was_stopped(run)
            case "brain":
                run = tasuki.Brain(**call)
            case "alert" | "correct" | "end_session" | "event" | "finish" | "lesson" | "save" as called:
                getattr(run, called)(**call)
            case "many":
                os.fsync = lambda file: None  # thousands of runs wait for the disk otherwise, and none has to survive a power loss
                for number in range(call["runs"]):
                    tags = ["third"] if number % 3 == 0 else []
                    with tasuki.init(call["project"], f"run-{number:05d}", tags=tags, dir=folder) as run:
                        run.log({"val/loss": 1 / (number + 1)}, step=0)
        yield run.id if run else ""


if __name__ == "__main__":
    for answer in done(map(json.loads, sys.stdin), sys.argv[1]):
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
