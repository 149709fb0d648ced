import math

import pytest

from tasuki.errors import ConfigError, NotFound
from tasuki.sdk.query.comparison import build_comparison, find_differing_keys, parse_ranking, rank_runs
from tasuki.testing import MemoryStore
from tests.support.recorded_runs import add_run


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    add_run(store, "abc1", [{"loss": 3.0}, {"loss": 1.0}, {"loss": 2.0}], name="twin", config={"lr": 0.1, "seed": 1})
    add_run(store, "abc2", [{"loss": 1.5, "acc": 0.5}], name="twin", config={"lr": 0.2, "seed": 1})
    add_run(store, "abc3", [{"loss": math.nan, "only-nan": math.nan}], name="other")
    return store


def test_best_are_ranked_by_last_and_by_what_is_asked_for(store: MemoryStore) -> None:
    found = rank_runs(store, "digits", "loss", parse_ranking(10, "min", "last"))
    assert [(one.rank, one.run.id, one.value, one.step) for one in found] == [(1, "abc2", 1.5, 0), (2, "abc1", 2.0, 2)]
    (first, _) = rank_runs(store, "digits", "loss", parse_ranking(10, "min", "min"))
    assert (first.run.id, first.value, first.step) == ("abc1", 1.0, 1)
    (first,) = rank_runs(store, "digits", "loss", parse_ranking(1, "max", "max"))
    assert (first.run.id, first.value, first.step) == ("abc1", 3.0, 0)


def test_a_metric_that_is_nan_everywhere_has_no_best_and_one_that_nobody_has_is_not_found(store: MemoryStore) -> None:
    assert rank_runs(store, "digits", "only-nan", parse_ranking(3, "min", "last")) == []
    with pytest.raises(NotFound) as error:
        rank_runs(store, "digits", "los", parse_ranking(3, "min", "last"))
    assert (error.value.hint or "").startswith("there are loss, ")


@pytest.mark.parametrize("odd", [(1, "least", "last"), (1, "min", "first"), (0, "min", "last")])
def test_an_order_that_is_none_is_refused(odd: tuple[int, str, str]) -> None:
    with pytest.raises(ConfigError):
        parse_ranking(*odd)


def test_runs_side_by_side_are_told_apart_by_id_and_each_is_there_once(store: MemoryStore) -> None:
    found = build_comparison(store, "digits", ["abc2", "abc1", "abc2"])
    assert [run.id for run in found.runs] == ["abc2", "abc1"]
    assert found.metrics == ["acc", "loss"]
    assert found.summaries["abc1"]["loss"].last == 2.0
    assert "acc" not in found.summaries["abc1"]


def test_metrics_are_chosen_in_their_order_and_must_be_there(store: MemoryStore) -> None:
    assert build_comparison(store, "digits", ["abc1", "abc2"], ["loss", "acc"]).metrics == ["loss", "acc"]
    assert build_comparison(store, "digits", ["abc1"], ["acc"]).summaries == {"abc1": {}}
    for asked in ((["abc1"], ["nope"]), (["nobody"], None), (["twin"], None)):
        with pytest.raises(NotFound):
            build_comparison(store, "digits", *asked)


def test_what_differs_in_configs_is_found_also_where_one_has_no_such_key() -> None:
    assert find_differing_keys([{"lr": 1, "a": [1]}, {"lr": 2, "a": [1], "b": None}]) == ["lr", "b"]
    assert find_differing_keys([{"lr": 1}]) == []
