"""A run's configuration: a dict whose changes are recorded."""

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from tasuki.sdk.value_conversion import to_json_value

__all__ = ["Config"]


class Config(MutableMapping[str, Any]):
    """The config of a run, as a dict or by attribute.

    Each change is a record; the latest value of a key wins.
    """

    _values: dict[str, Any]
    _record: Callable[[dict[str, Any]], None]

    def __init__(self, values: dict[str, Any], record: Callable[[dict[str, Any]], None]) -> None:
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "_record", record)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        raise TypeError(f"a config key can be changed, not removed: {key!r}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, key: str) -> Any:
        try:
            return vars(self)["_values"][key]  # not self._values: a copy in the making has none
        except KeyError:
            raise AttributeError(f"the config has no {key!r}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value

    def __repr__(self) -> str:
        return f"Config({self._values!r})"

    def update(self, values: Any = (), /, **more: Any) -> None:
        """Change some keys; `allow_val_change`, which wandb asks for, is always so here."""
        more.pop("allow_val_change", None)
        changed = {**to_json_value(dict(values)), **to_json_value(more)}
        self._values.update(changed)
        if changed:
            self._record(changed)
