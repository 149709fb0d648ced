import copy
import pickle
from typing import Any

import pytest

from tasuki.sdk.run_config import Config


@pytest.fixture
def changes() -> list[dict[str, Any]]:
    """What was put on record."""
    return []


@pytest.fixture
def config(changes: list[dict[str, Any]]) -> Config:
    """A config that records into `changes`."""
    return Config({"lr": 0.1, "depth": 3}, changes.append)


def test_it_reads_as_a_dict_and_by_attribute(config: Config):
    assert dict(config) == {"lr": 0.1, "depth": 3}
    assert config["lr"] == config.lr == config.get("lr") == 0.1
    assert len(config) == 2
    assert "lr" in config


def test_a_change_is_recorded_alone(config: Config, changes: list[dict[str, Any]]):
    config["lr"] = 0.2
    config.depth = 4
    config.update({"a": 1}, b=2)
    config.setdefault("c", 3)
    assert changes == [{"lr": 0.2}, {"depth": 4}, {"a": 1, "b": 2}, {"c": 3}]
    assert dict(config) == {"lr": 0.2, "depth": 4, "a": 1, "b": 2, "c": 3}


def test_what_changes_nothing_is_not_recorded(config: Config, changes: list[dict[str, Any]]):
    config.update()
    config.update({}, allow_val_change=True)
    config.setdefault("lr", 5)
    assert changes == []


def test_a_value_is_kept_as_it_is_recorded(config: Config, changes: list[dict[str, Any]]):
    config["layers"] = (1, 2)
    assert config["layers"] == changes[0]["layers"] == [1, 2]


def test_changing_the_dict_it_was_made_of_changes_nothing():
    values = {"lr": 0.1}
    config = Config(values, lambda _: None)
    values["lr"] = 0.2
    assert config.lr == 0.1


def test_a_missing_key_is_an_error_of_its_kind(config: Config):
    with pytest.raises(KeyError):
        config["gone"]
    with pytest.raises(AttributeError, match="has no 'gone'"):
        _ = config.gone


def test_a_key_can_not_be_removed(config: Config):
    with pytest.raises(TypeError, match="not removed: 'lr'"):
        del config["lr"]


def test_it_can_be_copied(config: Config, changes: list[dict[str, Any]]):
    for twin in (copy.copy(config), copy.deepcopy(config)):
        assert dict(twin) == dict(config)
    assert pickle.loads(pickle.dumps(Config({"lr": 0.1}, print))).lr == 0.1
    assert changes == []
