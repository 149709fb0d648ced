"""What everyone promises who takes changes of runs."""

import pytest

from tasuki.errors import ConfigError, NotFound
from tasuki.records import RunEdit
from tasuki.sdk import init
from tasuki.store import QueryAndEdit

__all__ = ["EditClaims", "record_runs"]


def record_runs(folder: str) -> str:
    """Two runs of one name; returns the first one's id."""
    with init("edited", "twin", tags=["a", "b"], notes="n", config={"lr": 1}, dir=folder) as first:
        first.log({"loss": 1})
        first.alert("flat")
    with init("edited", "twin", dir=folder) as run:
        run.log({"loss": 2})
    return first.id


class EditClaims:
    """Mixed into a test class whose fixtures are `ledger` and `first`, the id of a run that each test has for itself."""

    ledger: QueryAndEdit

    def test_what_is_given_changes_and_the_rest_stays(self, ledger, first):
        before = ledger.run("edited", first)
        row = ledger.edit("edited", first, RunEdit(name="renamed", group="g", tags_added=["c", "a"], tags_removed=["b", "nothing"]))
        assert (row.name, row.group, row.tags, row.notes, row.config) == ("renamed", "g", ["a", "c"], "n", {"lr": 1})
        assert (row.status, row.points, row.attempt, row.created) == (before.status, before.points, 1, before.created)
        assert ledger.run("edited", "renamed") == row
        assert ledger.edit("edited", first, RunEdit(notes="")).notes == ""

    def test_the_latest_edit_counts_and_is_later_than_all_that_was_known(self, ledger, first):
        seen = ledger.run("edited", first)
        for name in ("one", "two", "three"):
            row = ledger.edit("edited", first, RunEdit(name=name))
            assert row.name == name
            assert row.updated > seen.updated
            seen = row
        ledger.edit("edited", first, RunEdit(tags_removed=["a"]))
        assert ledger.edit("edited", first, RunEdit(tags_added=["a"])).tags == ["a", "b"]

    def test_a_deleted_run_is_in_no_answer_and_its_twin_stays(self, ledger, first):
        (twin,) = [row.id for row in ledger.runs("edited") if row.id != first]
        gone = ledger.delete("edited", first)
        assert (gone.id, gone.name) == (first, "twin")
        assert [row.id for row in ledger.runs("edited")] == [twin]
        assert ledger.run("edited", "twin").id == twin
        assert {row.run for row in ledger.summaries("edited")} == {twin}
        assert ledger.alerts("edited") == []
        assert ledger.overview("edited").runs == 1
        for again in (lambda: ledger.delete("edited", first), lambda: ledger.edit("edited", first, RunEdit(name="x"))):
            with pytest.raises(NotFound):
                again()

    def test_a_name_of_two_runs_is_not_edited(self, ledger, first):
        with pytest.raises(NotFound, match=first):
            ledger.edit("edited", "twin", RunEdit(name="x"))

    def test_a_change_of_nothing_is_refused(self, ledger, first):
        for change in (RunEdit(), RunEdit(name=" ")):
            with pytest.raises(ConfigError):
                ledger.edit("edited", first, change)
