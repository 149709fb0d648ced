"""What a typed user writes; checked by mypy --strict, never run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

import numpy as np
import numpy.typing as npt

import tasuki


@dataclass
class Options:
    """A configuration of one's own."""

    lr: float = 0.1


def use(*_: object) -> None:
    """Whatever a user does with it."""


def record() -> None:
    """All that a training script calls."""
    with tasuki.init(project="digits", name="lr-0.1", config=Options(), group="sweep", tags=["base"], notes="first") as run:
        assert_type(run, tasuki.Run)
        assert_type(run.id, str)
        run.log({"train/loss": 0.3, "val": {"acc": np.float32(0.9)}}, step=1)
        run.log({"flag": True}, durable=True)
        run.alert("loss is flat", level="warn", data={"window": 50})
        run.alert("loss is flat", "for 50 steps", level=tasuki.AlertLevel.WARN, step=3)
        run.config.update({"lr": 0.2})
        run.finish("failed", "diverged")
    tasuki.init("digits", id="abc", resume="allow")
    tasuki.log({"x": 1})
    tasuki.alert("x")
    tasuki.config["lr"] = 0.3
    assert_type(tasuki.correct("thee", "the", category="TYPO", severity="minor", context={"file": "a.md"})["event_id"], str)
    tasuki.watch("x", max_value=20, spike_factor=3.0, fn=lambda value, step: value > step, level="error")
    stop = tasuki.should_stop()
    assert_type((bool(stop), stop.reason, stop.step, stop.by), tuple[bool, str | None, int | None, str | None])
    with tasuki.init("digits", system_metrics=False) as run:
        for step in run.progress(range(3)):
            assert_type(step, int)
    tasuki.lesson("warm up longer", confidence=0.8)
    tasuki.event("restarted", {"after": 3})
    tasuki.finish()


def note() -> None:
    """All that an agent notes outside of runs."""
    with tasuki.Brain("~/brains/reviewer", remote="https://tasuki.example", session=12) as brain:
        assert_type(brain, tasuki.Brain)
        noted = brain.correct(draft="thee", final="the", category="TONE", severity="minor", session=13, idempotency_key="k")
        assert_type(noted["deduplicated"], bool)
        brain.lesson("lr above 1e-2 diverges on digits", confidence=0.8, category="lr")
        brain.event("saved", {"epoch": 3})
        assert_type(brain.end_session()["sent"], int)
        assert_type(brain.close()["pending"], int)


def ask() -> None:
    """All that a notebook asks."""
    with tasuki.Api(dir="/data") as api:
        assert_type(api.projects(), list[str])
        run = api.runs("digits")[0]
        assert_type(run.status, tasuki.Status)
        assert_type(run.status.is_final, bool)
        assert_type(run.final_metrics(), dict[str, float])
        use(run.stop("diverges").stop)
        assert_type(run.series("train/loss").values, npt.NDArray[np.float64])
        settings: Mapping[str, object] = run.config
        for row in run.history(metric="train/loss"):
            use(row["step"], row["time"], row["metrics"]["train/loss"], settings)
        for alert in api.alerts("digits", run=run.id, reason="patience", level="warn", since="0" * 32 + ":1"):
            assert_type(alert.level, tasuki.AlertLevel)
        first = api.best("val/acc", "digits", mode="max", top=1, by="max")[0]
        assert_type(first.value, float)
        found = api.compare([run.id, first.run.id], "digits", metrics=["val/acc"])
        assert_type(found.summaries[run.id]["val/acc"].last, float | None)
        assert_type(api.summary("digits").statuses[tasuki.Status.FAILED], int)
        use(api.wait(run.id, until="val/acc>0.97", timeout=timedelta(hours=1)).outcome)
        run.tag("good", "reported")
        run.untag("base")
        run.edit(name="best so far", notes="why")
        run.delete()
    tasuki.setup_volume("/mnt/shared", remote="https://tasuki.example")
    with tasuki.VolumeSyncer("/mnt/shared", reload=lambda: None, interval=30) as syncer:
        assert_type(syncer.once(), bool)
    try:
        tasuki.Api().run("nope")
    except tasuki.TasukiError as error:
        use(error.message, error.hint)


def queue() -> None:
    """What a script calls that keeps a queue full."""
    config = tasuki.hpc.SyncConfig(remote_host="bebop", max_queued=40, max_running=30, download_results=True)
    done = tasuki.hpc.sync(dry_run=True, config=config)
    use(done["uploaded"], tasuki.hpc.submit("calc/one", vasp_config={"nodes": 2, "walltime": "2h"}, on="bebop"))
