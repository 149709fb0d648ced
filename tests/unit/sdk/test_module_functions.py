import sys
from pathlib import Path

import pytest

import tasuki
from tasuki.errors import ConfigError, Conflict, JournalError, NotFound
from tasuki.journal import project_folder_name
from tasuki.records import Metrics, RunStarted, RunStatus, encode, encode_frame
from tasuki.sdk.process_state import PROCESS
from tests.support.journals import beginning, flip, journals, metrics, write_journal
from tests.unit.sdk.conftest import Recorded


def test_a_start_is_on_record_with_all_that_was_given(data_dir: Path, recorded: Recorded):
    tasuki.init(project="p", name="n", config={"lr": 0.1}, group="g", tags=["a", "b"], notes="é", id="my-run")
    (start,) = recorded(RunStarted)
    assert (start.name, start.group, start.tags, start.notes, start.config) == ("n", "g", ["a", "b"], "é", {"lr": 0.1})
    assert start.environment["python"] == sys.version.split()[0]
    assert start.environment["argv"] == sys.argv
    header, _ = beginning(journals(data_dir)[0])
    assert (header.project, header.run) == ("p", "my-run")


def test_what_was_not_given_is_not_said(data_dir: Path, recorded: Recorded):
    run = tasuki.init(project="p")
    (start,) = recorded(RunStarted)
    assert (start.name, start.group, start.tags, start.notes, start.config) == (None, None, [], None, {})
    assert run.name == run.id


def test_two_starts_are_two_attempts_at_two_runs(data_dir: Path, recorded: Recorded):
    first, second = tasuki.init(project="p"), tasuki.init(project="p")
    assert first.id != second.id
    assert len({start.attempt for start in recorded(RunStarted)}) == 2


def test_odd_values_become_text(data_dir: Path, recorded: Recorded, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "\udcff"])
    tasuki.init(project="p", name=42, group=Path("/g"), notes="\ud800", tags={3})  # type: ignore[arg-type]
    (start,) = recorded(RunStarted)
    assert (start.name, start.group, start.notes, start.tags) == ("42", "/g", "?", ["3"])
    assert start.environment["argv"] == ["train.py", "?"]


def test_one_tag_may_be_given_as_text(data_dir: Path, recorded: Recorded):
    tasuki.init(project="p", tags="best")
    assert recorded(RunStarted)[0].tags == ["best"]


def test_an_argument_that_is_not_known_is_ignored_with_a_warning(data_dir: Path):
    with pytest.warns(UserWarning, match="does not know entity, mode; ignored") as caught:
        tasuki.init(project="p", mode="offline", entity="me")
    assert caught[0].filename == __file__


def test_a_project_must_be_named(data_dir: Path):
    with pytest.raises(ConfigError, match=r"no project is named .*TASUKI_PROJECT"):
        tasuki.init()
    assert journals(data_dir) == []


def test_the_project_may_come_from_the_environment(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TASUKI_PROJECT", "from outside")
    assert tasuki.init().project == "from outside"


@pytest.mark.parametrize("project", ["../../up", "/etc", "日本語", "x" * 300, "a b", "P"])
def test_a_project_of_any_name_lies_inside_the_data_folder(project: str, data_dir: Path):
    run = tasuki.init(project=project)
    assert run.project == project
    (path,) = journals(data_dir)
    assert path.parent == data_dir / "journal" / project_folder_name(project)
    assert sorted(entry.name for entry in data_dir.parent.iterdir()) == ["data"]


def test_journals_may_lie_elsewhere_with_their_locks_here(data_dir: Path, tmp_path: Path):
    tasuki.init(project="p", journal=str(tmp_path / "volume"))
    assert len(journals(tmp_path / "volume")) == 1
    assert [path.suffix for path in (data_dir / "journal" / project_folder_name("p")).iterdir()] == [".lock"]


def test_a_folder_that_can_not_be_written_is_an_error_that_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"can't be written: Not a directory .*TASUKI_DIR"):
        tasuki.init(project="p", dir=str(tmp_path / "file"))
    assert PROCESS.current_run is None
    assert PROCESS.open_runs == []


def test_a_config_too_long_for_a_record_is_refused(data_dir: Path):
    with pytest.raises(ConfigError, match=r"the run's start, with its config, has \d+ bytes"):
        tasuki.init(project="p", config={"x": "x" * 17_000_000})
    assert journals(data_dir) == []


# -- one run after the other


def test_a_second_run_finishes_the_first(data_dir: Path, recorded: Recorded):
    first = tasuki.init(project="p")
    second = tasuki.init(project="p")
    assert first.finished
    assert [record.attempt for record in recorded(RunStatus)] == [first.start_record.attempt]
    assert PROCESS.current_run is second


def test_a_start_that_fails_leaves_the_current_run_alone(data_dir: Path):
    first = tasuki.init(project="p")
    with pytest.raises(ConfigError):
        tasuki.init(project="")
    assert PROCESS.current_run is first
    assert not first.finished


def test_without_a_run_there_is_nothing_to_log_to(data_dir: Path):
    for call in (lambda: tasuki.log({"x": 1.0}), lambda: tasuki.alert("x"), lambda: tasuki.config):
        with pytest.raises(ConfigError, match=r"there is no run \(begin with: tasuki.init"):
            call()


def test_finishing_without_a_run_does_nothing(data_dir: Path):
    tasuki.finish()


def test_behind_the_end_there_is_no_current_run(data_dir: Path):
    tasuki.init(project="p")
    tasuki.finish()
    with pytest.raises(ConfigError, match="there is no run"):
        tasuki.log({"x": 1.0})


# -- resume


def test_an_id_is_used_once(data_dir: Path):
    tasuki.init(project="p", id="a").finish()
    with pytest.raises(Conflict, match=r"project 'p' has a run 'a' \(resume=\"allow\" makes a new attempt"):
        tasuki.init(project="p", id="a")
    assert tasuki.init(project="another", id="a").id == "a"


@pytest.mark.parametrize("resume", ["allow", "must"])
def test_a_resumed_run_is_a_new_attempt_that_goes_on_behind_the_highest_step(resume: str, data_dir: Path, recorded: Recorded):
    with tasuki.init(project="p", id="a") as run:
        run.log({"x": {"nested": 1.0}}, step=41)
        run.log({"x": 1.0}, step=7)
    again = tasuki.init(project="p", id="a", resume=resume)
    again.log({"x": 2.0})
    assert [record.step for record in recorded(Metrics)] == [41, 7, 42]
    assert len({start.attempt for start in recorded(RunStarted)}) == 2


def test_a_run_resumes_behind_records_that_can_not_be_read(data_dir: Path):
    path = write_journal(data_dir / "journal", [metrics(5)], run="a")
    with path.open("ab") as file:
        file.write(encode_frame(b"\x93\xa7metrics\x01\xa2no") + encode_frame(b"\xc1") + encode_frame(encode(metrics(9))))
    assert tasuki.init(project="p", id="a", resume="must").next_step == 10


def test_a_damaged_journal_does_not_hinder_a_resume(data_dir: Path):
    path = write_journal(data_dir / "journal", [metrics(5)], run="a")
    other = write_journal(data_dir / "journal", [metrics(6)], run="a")
    flip(path, 20)
    flip(other, other.stat().st_size - 1)
    assert tasuki.init(project="p", id="a", resume="must").next_step == 0


def test_what_must_be_there_and_is_not_is_an_error(data_dir: Path):
    with pytest.raises(NotFound, match=r"has no run 'a' \(resume=\"allow\" starts it"):
        tasuki.init(project="p", id="a", resume="must")


def test_what_may_be_there_and_is_not_is_begun(data_dir: Path):
    assert tasuki.init(project="p", id="a", resume="allow").next_step == 0


def test_resuming_what_has_no_id_needs_one(data_dir: Path):
    with pytest.raises(ConfigError, match='resume="must" needs an id'):
        tasuki.init(project="p", resume="must")


def test_another_resume_is_refused_with_those_there_are(data_dir: Path):
    with pytest.raises(ConfigError, match=r"no resume='maybe' \(one of never, allow, must\)"):
        tasuki.init(project="p", resume="maybe")


@pytest.mark.parametrize("run_id", ["", "a/b", "..", "x" * 65])
def test_an_odd_id_is_refused(run_id: str, data_dir: Path):
    with pytest.raises(ConfigError, match="can't be a run's id"):
        tasuki.init(project="p", id=run_id)
