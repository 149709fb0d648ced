"""Answers in one command: the same on a folder and through a server, for people, for pipes and for programs."""

import csv
import io
import json
import math
import re
import unicodedata
from typing import Any, NamedTuple

import pytest

import tasuki
from tasuki.errors import ConfigError, NotFound
from tests.support.in_process_cli import inside
from tests.support.processes import eventually
from tests.support.query_targets import Target
from tests.support.remote_server import free_port
from tests.support.shell import at_once
from tests.support.shell import tasuki as command

WIDE = "日本語の実験👩‍👩‍👧‍👦❤️e\u0301" * 20
LONG = "x" * 300
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Gone(NamedTuple):
    """A server that is not there."""

    url: str


class Seeded(NamedTuple):
    """A project in which two runs have one name, and one a name that no table has room for."""

    target: Target
    first: str
    second: str
    wide: str
    long: str

    @property
    def project(self) -> str:
        """Its name."""
        return self.target.project


@pytest.fixture(scope="module")
def seeded(seeded_target: Target) -> Seeded:
    ids = []
    for name, lr in (("twin", 0.1), ("twin", 0.2), (WIDE, 0.3), (LONG, 0.4)):
        with seeded_target.init(name, config={"lr": lr, "seed": 7}) as run:
            for step in range(5):
                run.log({"train/loss": lr * (5 - step), "val/acc": math.nan if step == 2 else step * lr}, step=step)
            run.log({"eval/bleu": 30 + lr}, step=2)
            run.alert("flat", "for long", level="info", step=3, data={"window": [1, None], "worst": 0.25})
            run.alert("diverged", level="error", reason="nan", metric="train/loss", value=1.5, step=4, data={"ü": {"a": True}})
        ids.append(run.id)
    with seeded_target.api() as api:
        eventually(lambda: len(runs_of(api, seeded_target.project)) == 4)
    return Seeded(seeded_target, *ids)


def runs_of(api: tasuki.Api, project: str) -> list[str]:
    """The runs that are wholly there."""
    if project not in api.projects():
        return []
    return [run.id for run in api.runs(project) if run.status == "finished" and run.row.points == 11 and len(run.alerts()) == 2]


def on_terminal(seeded: Seeded, *arguments: str, columns: int = 120) -> list[str]:
    """What a command shows a person, line by line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        done = inside(seeded.target, *arguments, terminal=True)
    assert done.returncode == 0, done.stderr
    return ESCAPE.sub("", done.stdout).splitlines()


def document(target: Target, *arguments: str) -> dict[str, Any]:
    """What a command that succeeds prints with `--json`."""
    done = inside(target, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def width(line: str) -> int:
    """How many cells of a terminal a line takes."""
    wide = sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)
    return wide - sum(1 for character in line if unicodedata.combining(character))


# -- review points


def test_alert_data_is_intact_through_a_server(seeded: Seeded):
    alerts = seeded.target.json("alert", "list", "--run", seeded.first)["alerts"]
    assert [
        (one["title"], one["text"], one["level"], one["reason"], one["metric"], one["value"], one["step"]) for one in alerts
    ] == [
        ("flat", "for long", "info", None, None, None, 3),
        ("diverged", None, "error", "nan", "train/loss", 1.5, 4),
    ]
    assert [one["data"] for one in alerts] == [{"window": [1, None], "worst": 0.25}, {"ü": {"a": True}}]
    with seeded.target.api() as api:
        (nan,) = api.alerts(seeded.project, run=seeded.first, reason="nan")
        assert (nan.id, nan.data) == (alerts[1]["id"], {"ü": {"a": True}})


def test_exact_alert_counts(seeded: Seeded):
    with seeded.target.api() as api:
        assert len(api.alerts(seeded.project)) == 8
        assert len(api.alerts(seeded.project, level="warn")) == 4
        assert [len(run.alerts()) for run in api.runs(seeded.project)] == [2, 2, 2, 2]
    found = seeded.target.json("summary")
    assert found["alerts"] == {"info": 4, "warn": 0, "error": 4}


def test_exact_error_texts(seeded: Seeded):
    asked = {
        "best": (
            ["best", "train/los"],
            f"error: no run of project '{seeded.project}' has a metric 'train/los'\nhint: there are train/loss, ",
        ),
        "compare": (
            ["compare", seeded.first, "nobody"],
            f"error: project '{seeded.project}' has no run 'nobody'\nhint: there are ",
        ),
        "metrics": (["compare", seeded.first, "--metrics", "val/ac"], "has a metric 'val/ac'\nhint: there are val/acc, "),
        "twin": (["run", "show", "twin"], f"has 2 runs that 'twin' may mean\nhint: say which: {seeded.first}, {seeded.second}\n"),
        "diff": (["run", "diff", seeded.first, "nobody"], "has no run 'nobody'"),
        "wait": (["run", "wait", seeded.first, "--until", "val/ac>1"], "has no metric 'val/ac'\nhint: there are val/acc, "),
        "tag": (["run", "tag", "nobody", "x"], "has no run 'nobody'"),
        "alert": (["alert", "list", "--run", "nobody"], "has no run 'nobody'"),
        "since": (
            ["alert", "list", "--since", f"{'0' * 32}:1"],
            f"has no alert '{'0' * 32}:1'\nhint: it may have gone with its run",
        ),
        "export": (["export", "csv", "--metrics", "train/los"], "has a metric 'train/los'\nhint: there are train/loss, "),
    }
    for name, (words, text) in asked.items():
        done = inside(seeded.target, *words)
        assert (done.returncode, done.stdout) == (3, ""), name
        assert text in done.stderr, (name, done.stderr)


def test_history_of_a_metric_has_no_other_metric(seeded: Seeded):
    rows = seeded.target.json("run", "history", seeded.first, "--metric", "eval/bleu")["rows"]
    assert [(row["step"], row["metrics"]) for row in rows] == [(2, {"eval/bleu": 30.1})]
    with seeded.target.api() as api:
        assert [row["metrics"] for row in api.run(seeded.first, seeded.project).history("eval/bleu")] == [{"eval/bleu": 30.1}]


def test_runs_of_one_name_are_told_apart_by_id_in_every_listing(seeded: Seeded):
    twins = [seeded.first, seeded.second]
    listings = {
        "list": ["run", "list"],
        "best": ["best", "train/loss"],
        "compare": ["compare", *twins],
        "summary": ["summary"],
        "diff": ["run", "diff", *twins],
        "alerts": ["alert", "list"],
        "export": ["export", "csv"],
    }
    piped = {name: inside(seeded.target, *words).stdout for name, words in listings.items()}
    shown = {name: "\n".join(on_terminal(seeded, *words)) for name, words in listings.items() if name not in ("export", "summary")}
    for name, text in [*piped.items(), *shown.items()]:
        expected = [seeded.first] if name == "summary" else twins
        assert [id for id in expected if id not in text] == [], (name, text)


def test_human_output_of_best_compare_and_summary(seeded: Seeded):
    best = on_terminal(seeded, "best", "val/acc", "--mode", "max", "--top", "2")
    assert best[0].split() == ["rank", "name", "id", "status", "val/acc", "step", "n"]
    assert [line.split()[-4:] for line in best[2:]] == [["finished", "1.600", "4", "5"], ["finished", "1.200", "4", "5"]]
    assert [line.split()[0] for line in best[2:]] == ["1", "2"]
    compare = on_terminal(seeded, "compare", seeded.first, seeded.second)
    assert compare[0].split() == ["name", "id", "status", "eval/bleu", "train/loss", "val/acc"]
    assert compare[2].split() == ["twin", seeded.first, "finished", "30.10", "0.1000", "0.4000"]
    assert compare[5].split() == ["name", "id", "config.lr"]
    assert compare[7].split() == ["twin", seeded.first, "0.1000"]
    summary = on_terminal(seeded, "summary")
    assert summary[0].split() == ["project", seeded.project]
    facts = {line.split()[0]: line.split()[1:] for line in summary if line.strip()}
    assert (facts["runs"], facts["statuses.finished"], facts["alerts.error"]) == (["4"], ["4"], ["4"])
    assert facts["train/loss"] == ["4", "0.1000", seeded.first, "2", seeded.long]


def test_the_command_as_a_subprocess_and_the_library_share_the_folder(seeded: Seeded):
    listed = {run["id"] for run in seeded.target.json("run", "list")["runs"]}
    with seeded.target.api() as api:
        assert {run.id for run in api.runs(seeded.project)} == listed == set(seeded[1:])


EVERY_READING_COMMAND = {
    "run list": [], "run show": ["RUN"], "run history": ["RUN"], "run diff": ["RUN", "RUN"], "run wait": ["RUN"], "best": ["loss"],
    "compare": ["RUN"], "summary": [], "alert list": [], "note list": [], "note search": ["x"], "export": ["csv"],
}  # fmt: skip
EVERY_CHANGING_COMMAND = {"run tag": ["RUN", "x"], "run edit": ["RUN", "--name", "x"], "run delete": ["RUN", "--yes"]}


def test_every_command_honours_remote_and_a_server_that_is_gone_is_never_answered_for_by_local_data(target: Target):
    gone = f"http://127.0.0.1:{free_port()}"
    with tasuki.init("p", "local", id="local", dir=str(target.reader)) as run:
        run.log({"loss": 1.0})
    commands = EVERY_READING_COMMAND | EVERY_CHANGING_COMMAND

    def words(name: str) -> list[str]:
        return [*name.split(), *("local" if word == "RUN" else word for word in commands[name])]

    away = target._replace(project="p", server=Gone(gone))
    for name in commands:
        one = inside(away, *words(name))
        assert (one.returncode, one.stdout) == (5, ""), (name, one.stderr)
        assert f"{gone} can't be reached" in one.stderr, name
    done = command(target.reader, "best", "loss", "--project", "p", "--remote", gone)
    assert (done.returncode, done.stdout) == (5, "")
    with tasuki.Api(gone, dir=str(target.reader)) as api, pytest.raises(tasuki.TasukiError, match="can't be reached"):
        api.runs("p")
    assert inside(away._replace(server=None), *words("run show")).returncode == 0


# -- answers


def test_best_is_the_same_in_json_and_from_python(seeded: Seeded):
    found = seeded.target.json("best", "val/acc", "--mode", "max", "--by", "max", "--top", "3")["best"]
    assert [(one["rank"], one["run"]["id"], one["value"], one["step"]) for one in found] == [
        (1, seeded.long, 1.6, 4),
        (2, seeded.wide, 1.2, 4),
        (3, seeded.second, 0.8, 4),
    ]
    assert found[0]["run"]["name"] == LONG
    with seeded.target.api() as api:
        best = api.best("val/acc", seeded.project, mode="max", top=3)
        assert [one.run.id for one in best] == [one["run"]["id"] for one in found]
        with pytest.raises(NotFound):
            api.best("nothing", seeded.project)
        with pytest.raises(ConfigError):
            api.best("val/acc", seeded.project, mode="most")


def test_compare_and_summary_are_the_same_in_json_and_from_python(seeded: Seeded):
    found = seeded.target.json("compare", seeded.second, seeded.first)
    assert found["differing"] == ["lr"]
    assert [run["metrics"]["train/loss"]["min"] for run in found["runs"]] == [0.2, 0.1]
    with seeded.target.api() as api:
        compared = api.compare([seeded.second, seeded.first], seeded.project, metrics=["val/acc"])
        assert compared.summaries[seeded.first]["val/acc"].n == 5
        overview = api.summary(seeded.project)
        assert (overview.runs, overview.statuses[tasuki.Status.FINISHED], overview.points) == (4, 4, 44)
    ranges = {one["metric"]: one for one in seeded.target.json("summary")["metrics"]}
    assert (ranges["train/loss"]["min"], ranges["train/loss"]["min_run"], ranges["train/loss"]["max_run"]) == (
        0.1,
        seeded.first,
        seeded.long,
    )


def test_alerts_go_on_from_the_last_one_seen(target: Target):
    run = target.init("it")
    seen: list[str] = []
    cursor: list[str] = []
    for number in range(6):
        run.alert(f"alert {number}")
        run.alert(f"another {number}")

        def more(expected: int = 2 * number + 2) -> bool:
            found = ask_alerts(target, cursor[-1:])
            seen.extend(one["title"] for one in found["alerts"])
            cursor.append(found["cursor"]) if found["cursor"] else None
            return len(seen) >= expected

        eventually(more)
    assert seen == [f"{word} {number}" for number in range(6) for word in ("alert", "another")]
    with target.api() as api:
        assert api.alerts(target.project, since=cursor[-1]) == []
        assert [one.title for one in api.alerts(target.project, since=api.alerts(target.project)[-2].id)] == ["another 5"]


def ask_alerts(target: Target, since: list[str]) -> dict[str, Any]:
    """The alerts behind a cursor, if there is one; none before the project is there."""
    done = inside(target, "alert", "list", "--json", *(f"--since={id}" for id in since))
    return json.loads(done.stdout) if done.returncode == 0 else {"alerts": [], "cursor": None}


def test_wait_ends_with_0_when_it_is_true_and_with_7_when_it_can_not_be(target: Target):
    script = """
import sys, tasuki
run = tasuki.init(name="it")
print("run", run.id, flush=True)
for line in sys.stdin:
    if line.strip() == "end": break
    run.log({"acc": float(line)})
run.finish()
"""
    with target.child(script) as child:
        child.expect("run ")
        child.tell("0.5")
        eventually(lambda: target.ask("run", "show", "it").returncode == 0)
        done = target.ask("run", "wait", "it", "--until", "acc>0.9", "--timeout", "0.5s", "--json")
        assert (done.returncode, json.loads(done.stdout)["outcome"]) == (7, "timeout")
        assert "the time is over" in done.stderr
        stalled = target.ask("run", "wait", "it", "--until", "acc>0.9", "--stalled", "1s")
        assert (stalled.returncode, stalled.stdout.split("\n")[1].split("\t")[4]) == (7, "stalled")
        waiting = at_once({
            "wait": lambda: target.ask("run", "wait", "it", "--until", "acc>=0.95", "--timeout", "1min", "--json"),
            "log": lambda: child.tell("0.95"),
        })["wait"]  # fmt: skip
        assert waiting.returncode == 0, waiting.stderr
        found = json.loads(waiting.stdout)
        assert (found["outcome"], found["value"], found["step"], found["status"]) == ("true", 0.95, 1, "running")
        child.tell("end")
        child.done()
    assert target.ask("run", "wait", "it", "--timeout", "1min").returncode == 0
    ended = target.ask("run", "wait", "it", "--until", "acc>1")
    assert (ended.returncode, ended.stderr.split(";")[0].split(" is ")[1]) == (7, "finished")


def test_edits_are_seen_by_all_and_a_deleted_run_does_not_come_back(target: Target):
    with target.init("it", tags=["base"]) as run:
        run.log({"loss": 1.0})
    with target.init("other") as other:
        other.log({"loss": 2.0})
    eventually(lambda: inside(target, "run", "show", "other").returncode == 0)
    assert document(target, "run", "tag", "it", "good", "new", "--remove", "base")["run"]["tags"] == ["good", "new"]
    assert document(target, "run", "edit", run.id, "--name", "renamed", "--notes", "why")["run"]["notes"] == "why"
    assert document(target, "run", "show", "renamed")["run"]["id"] == run.id
    with target.api() as api:
        found = api.run("renamed", target.project)
        found.untag("new")
        assert (found.tags, found.status) == (["good"], "finished")
        found.edit(group="g")
        assert api.run(run.id, target.project).group == "g"
    refused = inside(target, "run", "delete", "renamed")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    assert document(target, "run", "delete", "renamed", "--dry-run")["runs"][0]["id"] == run.id
    assert inside(target, "run", "delete", "renamed", "--yes").returncode == 0
    assert [row["id"] for row in document(target, "run", "list")["runs"]] == [other.id]
    assert inside(target, "run", "show", run.id).returncode == 3


def test_an_export_has_every_value_exactly(seeded: Seeded):
    rows = list(csv.DictReader(io.StringIO(inside(seeded.target, "export", "csv").stdout)))
    assert len(rows) == 24
    assert {row["run"] for row in rows} == set(seeded[1:])
    with seeded.target.api() as api:
        for run in api.runs(seeded.project):
            expected = [(row["step"], row["metrics"].get("train/loss")) for row in run.history()]
            mine = [
                (int(row["step"]), float(row["train/loss"]) if row["train/loss"] else None) for row in rows if row["run"] == run.id
            ]
            assert mine == expected
            assert [row["name"] for row in rows if row["run"] == run.id] == [run.name] * 6
    lines = [json.loads(line) for line in inside(seeded.target, "export", "jsonl", seeded.first).stdout.splitlines()]
    assert [line["type"] for line in lines] == ["export", "run", *["metrics"] * 6, "alert", "alert"]
    assert lines[1]["config"] == {"lr": 0.1, "seed": 7}
    assert [line["metrics"] for line in lines[2:6]] == [
        {"train/loss": 0.5, "val/acc": 0.0},
        {"train/loss": 0.4, "val/acc": 0.1},
        {"train/loss": 0.30000000000000004, "val/acc": "NaN"},
        {"eval/bleu": 30.1},
    ]


# -- tables


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_names_of_any_length_and_script_keep_tables_whole(seeded: Seeded, columns: int):
    for words in (["run", "list"], ["best", "train/loss"], ["compare", *seeded[1:]]):
        lines = [line for line in on_terminal(seeded, *words, columns=columns) if line.strip()]
        rules = [width(line) for line in lines if set(line) == {"─"}]
        assert rules
        assert max(map(width, lines)) <= columns
        rows = [line for line in lines if "finished" in line]
        assert len(rows) == 4, "a row is one line"
        places = {width(line[: line.index(id)]) for line, id in zip(rows, in_order(rows, seeded), strict=True)}
        assert len(places) == 1, "all columns begin at one place"
        assert not any("x" * 41 in line for line in lines)
    assert seeded.target.json("run", "show", seeded.long)["run"]["name"] == LONG


def in_order(rows: list[str], seeded: Seeded) -> list[str]:
    """The id in each row."""
    return [next(id for id in seeded[1:] if id in row) for row in rows]
