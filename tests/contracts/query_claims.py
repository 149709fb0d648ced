"""What every answerer of questions promises, over the same recorded folder."""

import hashlib
import math
from pathlib import Path

import pytest

from tasuki.errors import NotFound
from tasuki.records import AlertLevel, NoteKind, Status
from tasuki.sdk import init
from tasuki.store import BestRuns, Query

PNG = bytes.fromhex("89504e470d0a1a0a")


def record(folder: str) -> dict[str, str]:
    """Two runs of one name in project `digits`, one of another in `Ångström/../x`; returns their ids by what they are."""
    ids = {}
    with init("digits", "base", config={"lr": 0.1, "net": {"width": 32}}, tags=["a", "b"], group="g", notes="n", dir=folder) as run:
        for step in range(10):
            run.log({"train/loss": 1 / (step + 1), "train/acc": float("nan") if step == 3 else step / 10}, step=step)
        run.log({"eval": {"loss": 0.5}}, step=4)
        run.config["lr"] = 0.2
        note, picture = Path(folder) / "note.txt", Path(folder) / "two.png"
        note.write_text("Füße\r\n")
        picture.write_bytes(PNG)
        run.save(note, "notes/a.txt", step=3, caption="Füße")
        run.save(picture)
        note.write_text("the second")
        run.save(note, "notes/a.txt")
        run.alert("flat", "for long", level="error", step=7, data={"window": 50, "worst": [1.5, None]})
        run.correct("thee cat", "The cat", category="TONE", severity="major", session=12, context={"of": ["Füße"]})
        run.lesson("lr above 1e-2 diverges on digits", confidence=0.8, category="lr")
        run.correct("a", "b", idempotency_key="k")
        run.correct("a", "b", idempotency_key="k")
        run.correct("a", "c", idempotency_key="k")
        ids["finished"] = run.id
    run = init("digits", "base", dir=folder)
    run.log({"train/loss": float("inf"), "only": 2}, step=100)
    run.event("restarted", {"after": 3})
    run.correct("a", "b", idempotency_key="k")
    run.finish("failed", "out of memory")
    ids["failed"] = run.id
    with init("Ångström/../x", dir=folder) as run:
        run.log({"x": 1})
        ids["other"] = run.id
    return ids


class QueryClaims:
    """Mixed into a test class whose fixtures are `query` and `ids`."""

    query: Query

    def test_projects_are_listed_by_name(self, query, ids):
        assert [(row.name, row.runs) for row in query.projects()] == [("digits", 2), ("Ångström/../x", 1)]
        assert query.missing == 0

    def test_runs_are_listed_in_the_order_of_their_creation(self, query, ids):
        assert [row.id for row in query.runs("digits")] == [ids["finished"], ids["failed"]]

    def test_only_so_many_runs_are_listed_newest_or_oldest_first(self, query, ids):
        assert [row.id for row in query.runs("digits", newest_first=True)] == [ids["failed"], ids["finished"]]
        assert [row.id for row in query.runs("digits", limit=1)] == [ids["finished"]]
        assert [row.id for row in query.runs("digits", limit=1, newest_first=True)] == [ids["failed"]]

    def test_the_best_runs_by_a_metric_come_best_first(self, query, ids):
        def best(top: BestRuns, **asked) -> list[str]:
            return [row.run for row in query.summaries("digits", metrics=["train/loss"], top=top, **asked)]

        assert best(BestRuns(5)) == [ids["finished"], ids["failed"]]
        assert best(BestRuns(1, "max")) == [ids["failed"]]
        assert best(BestRuns(1, "min", "max")) == [ids["finished"]]
        assert best(BestRuns(5, "max", "min"), runs=[ids["finished"]]) == [ids["finished"]]
        assert query.summaries("digits", metrics=["nothing"], top=BestRuns(1)) == []

    def test_a_run_says_what_it_was_told(self, query, ids):
        row = query.run("digits", ids["finished"])
        assert (row.name, row.group, row.notes, row.tags) == ("base", "g", "n", ["a", "b"])
        assert row.config == {"lr": 0.2, "net": {"width": 32}}
        assert (row.status, row.attempt, row.points, row.lost) == (Status.FINISHED, 1, 21, 0)
        assert row.created <= row.ended <= row.updated
        assert row.environment["host"]

    def test_a_failed_run_says_why(self, query, ids):
        row = query.run("digits", ids["failed"])
        assert (row.status, row.reason) == (Status.FAILED, "out of memory")

    def test_a_run_is_found_by_a_beginning_of_its_id_and_by_a_name_that_only_it_has(self, query, ids):
        assert query.run("Ångström/../x", ids["other"][:5]).id == ids["other"]
        assert query.run("digits", ids["failed"][:6]).id == ids["failed"]

    def test_a_name_of_two_runs_is_refused_with_both_ids(self, query, ids):
        with pytest.raises(NotFound) as refusal:
            query.run("digits", "base")
        assert ids["finished"] in str(refusal.value)
        assert ids["failed"] in str(refusal.value)

    def test_what_is_not_there_is_said_with_what_is(self, query, ids):
        for question, hint in (
            (lambda: query.runs("digit"), "digits"),
            (lambda: query.run("digits", "nobody"), ids["failed"]),
            (lambda: query.history("digits", ids["failed"], "train/lost"), "train/loss"),
            (lambda: query.series("digits", ids["failed"], "train/lost"), "train/loss"),
        ):
            with pytest.raises(NotFound) as refusal:
                question()
            assert hint in str(refusal.value)

    def test_a_history_has_every_call_once_in_order(self, query, ids):
        rows = query.history("digits", ids["finished"])
        assert [row.step for row in rows] == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9]
        assert rows[2].metrics == {"train/loss": 1 / 3, "train/acc": 0.2}
        assert math.isnan(rows[3].metrics["train/acc"])
        assert rows[5].metrics == {"eval/loss": 0.5}
        assert [row.time for row in rows[:5]] == sorted(row.time for row in rows[:5])

    def test_a_history_of_one_metric_has_no_other(self, query, ids):
        rows = query.history("digits", ids["finished"], "eval/loss")
        assert [(row.step, row.metrics) for row in rows] == [(4, {"eval/loss": 0.5})]

    def test_a_series_has_steps_times_and_values(self, query, ids):
        series = query.series("digits", ids["finished"], "train/loss")
        assert series.steps.tolist() == list(range(10))
        assert series.values.tolist() == [1 / (step + 1) for step in range(10)]
        assert (series.times[1:] >= series.times[:-1]).all()

    def test_summaries_keep_first_last_and_extremes_with_their_steps(self, query, ids):
        loss, acc = query.summaries("digits", [ids["finished"]], ["train/loss", "train/acc"])[::-1]
        assert (loss.n, loss.first, loss.last, loss.last_step) == (10, 1.0, 0.1, 9)
        assert (loss.min, loss.min_step, loss.max, loss.max_step) == (0.1, 9, 1.0, 0)
        assert (acc.n, acc.min, acc.max, acc.max_step) == (10, 0.0, 0.9, 9)

    def test_infinity_is_a_value(self, query, ids):
        (loss,) = query.summaries("digits", [ids["failed"]], ["train/loss"])
        assert (loss.min, loss.max, loss.last) == (math.inf, math.inf, math.inf)
        assert query.history("digits", ids["failed"], "train/loss")[0].metrics == {"train/loss": math.inf}

    def test_summaries_are_of_the_runs_and_metrics_that_are_asked_for(self, query, ids):
        assert {(row.run, row.metric) for row in query.summaries("digits", metrics=["train/loss"])} == {
            (ids["finished"], "train/loss"),
            (ids["failed"], "train/loss"),
        }
        assert {row.metric for row in query.summaries("digits", [ids["failed"]])} == {"train/loss", "only"}
        assert query.summaries("digits", []) == []

    def test_alerts_keep_their_data(self, query, ids):
        (alert,) = query.alerts("digits")
        assert (alert.run, alert.run_name, alert.title, alert.text, alert.level) == (
            ids["finished"],
            "base",
            "flat",
            "for long",
            "error",
        )
        assert (alert.step, alert.data) == (7, {"window": 50, "worst": [1.5, None]})
        assert query.alerts("digits", ids["failed"]) == []

    def test_alerts_are_found_by_reason_level_and_time(self, query, ids):
        (alert,) = query.alerts("digits")
        assert query.alerts("digits", level=AlertLevel.WARN) == [alert]
        assert query.alerts("digits", since=alert.time - 1) == [alert]
        assert query.alerts("digits", since=alert.time) == []
        assert query.alerts("digits", reason="nan") == []
        with pytest.raises(NotFound):
            query.alerts("digit")

    def test_who_goes_on_from_an_alert_gets_those_behind_it(self, query, ids):
        (alert,) = query.alerts("digits")
        assert query.alerts("digits", since=alert.id) == []
        for id in (f"{'0' * 32}:1", "nonsense", alert.id + "0"):
            with pytest.raises(NotFound):
                query.alerts("digits", since=id)

    def test_several_runs_come_in_the_order_of_what_they_are_named_by(self, query, ids):
        assert [row.id for row in query.runs_by_ref("digits", [ids["failed"][:6], ids["finished"]])] == [
            ids["failed"],
            ids["finished"],
        ]
        assert query.runs_by_ref("digits", []) == []
        with pytest.raises(NotFound):
            query.runs_by_ref("digits", [ids["failed"], "nobody"])

    def test_an_overview_counts_runs_and_alerts_and_says_of_each_metric_where_its_extremes_are(self, query, ids):
        found = query.overview("digits")
        assert (found.runs, found.points, found.lost, found.notes) == (2, 23, 0, 4)
        assert {status: n for status, n in found.statuses.items() if n} == {Status.FINISHED: 1, Status.FAILED: 1}
        assert found.alerts == {"info": 0, "warn": 0, "error": 1}
        assert found.created <= found.updated
        ranges = {one.metric: one for one in found.metrics}
        assert list(ranges) == ["eval/loss", "only", "train/acc", "train/loss"]
        loss = ranges["train/loss"]
        assert (loss.runs, loss.min, loss.min_run, loss.max, loss.max_run) == (2, 0.1, ids["finished"], math.inf, ids["failed"])
        assert ranges["only"].min_run == ids["failed"]
        with pytest.raises(NotFound):
            query.overview("digit")

    def test_a_history_by_pages_is_the_history(self, query, ids):
        for metric in (None, "train/acc"):
            pages = query.history_pages("digits", ids["finished"], metric)
            assert repr([row for page in pages for row in page]) == repr(query.history("digits", ids["finished"], metric))
        with pytest.raises(NotFound):
            list(query.history_pages("digits", ids["finished"], "train/lost"))

    def test_notes_are_listed_by_time_each_once_and_those_that_conflict_are_marked(self, query, ids):
        rows = query.notes("digits")
        assert [(row.kind, row.run, row.conflict) for row in rows] == [
            (NoteKind.CORRECTION, ids["finished"], False),
            (NoteKind.LESSON, ids["finished"], False),
            (NoteKind.CORRECTION, ids["finished"], False),
            (NoteKind.CORRECTION, ids["finished"], True),
            (NoteKind.EVENT, ids["failed"], False),
        ]
        assert rows[2].event_id == rows[3].event_id
        assert [row.content["final"] for row in rows[2:4]] == ["b", "c"]

    def test_a_note_says_what_it_was_told(self, query, ids):
        correction, lesson, *_, event = query.notes("digits")
        assert (correction.session, correction.category, correction.text) == (12, "TONE", "")
        assert correction.content == {
            "draft": "thee cat", "final": "The cat", "category": "TONE", "severity": "major", "context": {"of": ["Füße"]},
        }  # fmt: skip
        assert (lesson.text, lesson.category, lesson.content["confidence"]) == ("lr above 1e-2 diverges on digits", "lr", 0.8)
        assert (event.text, event.content["data"]) == ("restarted", {"after": 3})

    def test_notes_are_found_by_kind_time_and_any_text_in_them(self, query, ids):
        rows = query.notes("digits")
        assert query.notes("digits", NoteKind.LESSON) == rows[1:2]
        assert query.notes("digits", since=rows[2].time) == rows[3:]
        assert query.notes("digits", search="FÜSSE") == rows[:1]
        assert query.notes("digits", NoteKind.EVENT, search="DIVERGES") == []
        assert query.notes("Ångström/../x") == []
        with pytest.raises(NotFound, match="there are digits"):
            query.notes("digit")

    def test_files_are_listed_in_the_order_they_came_and_the_latest_of_a_name_stands(self, query, ids):
        note, picture = query.files("digits")
        assert (note.name, note.step, note.caption, note.form, note.media_type) == ("notes/a.txt", 3, "Füße", "file", "text/plain")
        assert (note.size, note.sha256) == (10, hashlib.sha256(b"the second").hexdigest())
        assert (picture.name, picture.form, picture.media_type, picture.size) == ("two.png", "image", "image/png", 8)
        assert (picture.run, picture.run_name) == (ids["finished"], "base")
        assert query.files("digits", ids["finished"]) == [note, picture]
        assert query.files("digits", ids["failed"]) == query.files("digits", "") == query.files("Ångström/../x") == []
        with pytest.raises(NotFound, match="there are digits"):
            query.files("digit")
