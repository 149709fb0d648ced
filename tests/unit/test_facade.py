import ast
import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import tasuki
from tasuki.errors import ConfigError

PROPERTIES = {"config"}  # not a thing but the current run's
NEEDS_AN_EXTRA = {"tasuki.demo.training"}


@pytest.fixture(scope="module", autouse=True)
def every_room() -> list[str]:
    """A sub-package is set as an attribute of its package when it is imported, and would hide what it is named like."""
    names = [module.name for module in pkgutil.walk_packages(tasuki.__path__, "tasuki.")]
    for name in set(names) - NEEDS_AN_EXTRA:
        import_module(name)
    return names


def test_all_rooms_were_imported(every_room: list[str]) -> None:
    assert {"tasuki.cli", "tasuki.demo.run", "tasuki.journal", "tasuki.records", "tasuki.sdk", "tasuki.store"} < set(every_room)


@pytest.mark.parametrize("name", sorted(set(tasuki.MODULE_BY_NAME) - PROPERTIES))
def test_a_name_of_the_facade_is_what_its_home_says(name: str) -> None:
    assert getattr(tasuki, name) is getattr(import_module(tasuki.MODULE_BY_NAME[name]), name)


def test_config_is_that_of_the_current_run() -> None:
    with pytest.raises(ConfigError, match="there is no run"):
        tasuki.config  # noqa: B018 - looking is the point


def test_no_room_hides_a_name() -> None:
    assert not [name for name in tasuki.MODULE_BY_NAME if isinstance(vars(tasuki).get(name), ModuleType)]


def test_all_names_are_listed() -> None:
    assert set(tasuki.__all__) == {*tasuki.MODULE_BY_NAME, *tasuki.PUBLIC_PACKAGES, "__version__"} == set(dir(tasuki))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nope"):
        tasuki.nope  # noqa: B018 - looking is the point


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(tasuki.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    named = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names} - {None}
    annotated = {node.target.id for node in block.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    assert named | annotated == {*tasuki.MODULE_BY_NAME, *tasuki.PUBLIC_PACKAGES}


@pytest.mark.parametrize("name", tasuki.PUBLIC_PACKAGES)
def test_a_room_that_users_name_has_what_they_call(name: str) -> None:
    room = getattr(tasuki, name)
    assert all(callable(getattr(room, thing)) for thing in room.__all__)
