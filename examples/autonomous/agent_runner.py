"""An agent that runs experiments by itself, with nothing but the command line: it starts trainings, watches them, and decides.

    python agent_runner.py all
    python agent_runner.py lr-search spike --remote http://127.0.0.1:7700

Each scenario prints one line of JSON with what it did and what it found. The agent never looks at a clock to tell what is new:
it goes on behind the last alert that it has seen.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TRAINING = Path(__file__).with_name("simulate_training.py")
TASUKI = [sys.executable, "-m", "tasuki"]
LEARNING_RATES = (0.003, 0.03, 0.3, 5.0)
NOT_FOUND, NOT_TRUE = 3, 7
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.2


class Training:
    """A training that runs. What it says is read as it comes, so that a full pipe never holds it up."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(TRAINING), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.begun = threading.Event()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            self.begun.set()
        self.begun.set()

    @property
    def facts(self) -> dict[str, Any]:
        """What the training says of itself: its run, and the learning rate that it uses."""
        self.begun.wait(PATIENCE_SECONDS)
        try:
            found: dict[str, Any] = json.loads(self.said[0])
        except (IndexError, ValueError):
            raise SystemExit(f"the training did not begin: {self.said}") from None
        return found

    def end(self) -> int:
        """Wait for its end."""
        code = self.process.wait(PATIENCE_SECONDS)
        self.reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


class Agent:
    """What the agent can do, and the alert that it has seen last."""

    def __init__(self, project: str, remote: str | None) -> None:
        self.project = project
        self.remote = remote
        self.cursor: str | None = None

    def train(self, name: str, **options: Any) -> Training:
        """Start a training; `nan_at_step=20` becomes `--nan-at-step=20`, and True an option without a value."""
        arguments = [f"--project={self.project}", f"--name={name}"]
        for key, value in options.items():
            option = f"--{key.replace('_', '-')}"
            arguments.append(option if value is True else f"{option}={value}")
        return Training(arguments, os.environ | ({"TASUKI_REMOTE": self.remote} if self.remote else {}))

    def ask(self, *words: str, may_be: int = 0) -> dict[str, Any] | None:
        """What a command answers; None where it exits with `may_be`."""
        remote = ["--remote", self.remote] if self.remote else []
        command = [*TASUKI, *words, "--json", "--project", self.project, *remote]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS + 30)
        if done.returncode and done.returncode == may_be:
            return None
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def answer(self, *words: str) -> dict[str, Any]:
        """What a command answers as soon as what it is about is there: records from elsewhere take a moment."""
        return patiently(" ".join(words), lambda: self.ask(*words, may_be=NOT_FOUND))

    def waits(self, run: str, until: str | None = None) -> bool:
        """Whether a condition on a run comes true; without one, whether it ends well."""
        condition = ["--until", until] if until else []
        return self.ask("run", "wait", run, *condition, f"--timeout={PATIENCE_SECONDS:.0f}s", may_be=NOT_TRUE) is not None

    def news(self) -> list[dict[str, Any]]:
        """The alerts behind the last one that was seen: none is missed, and none comes twice."""
        since = ["--since", self.cursor] if self.cursor else []
        found = self.ask("alert", "list", *since, may_be=NOT_FOUND)
        if found is None:  # nothing is recorded yet
            return []
        self.cursor = found["cursor"] or self.cursor
        alerts: list[dict[str, Any]] = found["alerts"]
        return alerts

    def alert(self, run: str, reason: str) -> dict[str, Any]:
        """Wait for an alert of a run."""

        def found() -> dict[str, Any] | None:
            return next((alert for alert in self.news() if (alert["run"], alert["reason"]) == (run, reason)), None)

        return patiently(f"an alert {reason!r} of run {run}", found)


def patiently(what: str, action: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """Do it again and again until it gives something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := action()) is None:
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(POLL_SECONDS)
    return found


# -- scenarios


def lr_search(agent: Agent) -> dict[str, Any]:
    """Try several learning rates at once; keep the one with the lowest loss, and see which of them diverged."""
    trainings = [agent.train(f"lr-{lr:g}", lr=lr, steps=60) for lr in LEARNING_RATES]
    runs = [training.facts["run"] for training in trainings]
    for training in trainings:
        training.end()
    compared = agent.answer("compare", *runs, "--metrics", "train/loss")["runs"]
    best = next(one for one in agent.answer("best", "train/loss", "--mode", "min")["best"] if one["run"]["id"] in runs)
    return {
        "tried": sorted(run["config"]["lr"] for run in compared),
        "diverged": [run["config"]["lr"] for run in compared if run["status"] == "failed"],
        "best_lr": best["run"]["config"]["lr"],  # what that run really used, as it has recorded it
        "loss": best["value"],
    }


def recover(agent: Agent) -> dict[str, Any]:
    """A training fails with NaN: find out, see what it was, and run it again so that it does not."""
    failing = agent.train("fragile", lr=0.3, nan_at_step=20)
    run = failing.facts["run"]
    alert = agent.alert(run, "nan")
    failing.end()
    failed = agent.answer("run", "show", run)["run"]
    safer = agent.train("recovered", lr=failed["config"]["lr"] / 2, nan_at_step=20, skip_broken_samples=True)
    recovered = safer.facts["run"]
    patiently("the new run", lambda: agent.ask("run", "show", recovered, may_be=NOT_FOUND))
    reached = agent.waits(recovered, "train/loss<0.1")
    safer.end()
    return {
        "failed": {"status": failed["status"], "reason": failed["reason"], "lr": failed["config"]["lr"], "step": alert["step"]},
        "recovered": {"reached": reached, "lr": agent.answer("run", "show", recovered)["run"]["config"]["lr"]},
    }


def spike(agent: Agent) -> dict[str, Any]:
    """The loss jumps: look at the steps around it, and decide whether the training may go on."""
    training = agent.train("bumpy", lr=0.3, spike_at_step=40, pause=0.01)
    run = training.facts["run"]
    alert = agent.alert(run, "spike")
    agent.waits(run)
    training.end()
    history = agent.answer("run", "history", run, "--metric", "train/loss")["rows"]
    losses = {call["step"]: call["metrics"]["train/loss"] for call in history}
    before = statistics.median(losses[step] for step in range(alert["step"] - 10, alert["step"]))
    after = statistics.median(losses[step] for step in range(alert["step"] + 10, alert["step"] + 20))
    verdict = "transient" if after < 2 * before else "lasting"
    return {"step": alert["step"], "before": before, "at": alert["value"], "after": after, "verdict": verdict}


SCENARIOS: dict[str, Callable[[Agent], dict[str, Any]]] = {"lr-search": lr_search, "recover": recover, "spike": spike}


def chosen(names: list[str]) -> Iterator[str]:
    """The scenarios that are meant, each once; `all` is the list of them."""
    return iter(dict.fromkeys(name for given in names for name in (SCENARIOS if given == "all" else [given])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="+", choices=["all", *SCENARIOS])
    parser.add_argument("--project", default="autonomous")
    parser.add_argument("--remote", help="the server that the runs are sent to and that is asked")
    options = parser.parse_args()
    agent = Agent(options.project, options.remote)
    for name in chosen(options.scenarios):
        print(json.dumps({"scenario": name, **SCENARIOS[name](agent)}), flush=True)


if __name__ == "__main__":
    main()
