"""Watchers.

Rules on a metric, checked in the call that logs it, that raise alerts and may stop the run.
"""

import inspect
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Set
from typing import Any, NamedTuple

from tasuki.errors import ConfigError, warn_user
from tasuki.records import AlertLevel, AlertReason
from tasuki.sdk.value_conversion import convert_number, parse_alert_level, to_text

__all__ = ["Watcher", "WatcherFinding", "Watchers"]

MISSING_VALUE = object()
EMPTY_SET: Set[str] = frozenset()
STILL_ACTIVE_AFTER_INFINITY: Set[str] = frozenset({AlertReason.SPIKE.value})
STILL_ACTIVE_AFTER_NAN: Set[str] = STILL_ACTIVE_AFTER_INFINITY | {AlertReason.MAX_VALUE.value, AlertReason.MIN_VALUE.value}
"""Excursions that a NaN, or an infinity that is taken for one, does not end: the value is not back."""
RuleFunction = Callable[[float, int], Any]


class WatcherFinding(NamedTuple):
    """Finding of a watcher: the alert to raise, and whether to stop the run."""

    reason: AlertReason
    metric: str
    value: float
    step: int
    title: str
    level: AlertLevel
    stop: bool = False
    text: str | None = None
    data: Mapping[str, Any] | None = None


class Watcher:
    """The rules on one metric.

    Each raises one alert per excursion, and is armed again once the value is back.

    The arguments are those of `tasuki.watch`. ConfigError for those that can't be meant.
    """

    def __init__(  # noqa: PLR0913 - the arguments of `tasuki.watch`
        self,
        metric: str,
        *,
        nan: bool = True,
        max_value: float | None = None,
        min_value: float | None = None,
        spike_factor: float | None = None,
        window: int = 20,
        patience: int | None = None,
        min_delta: float = 0.0,
        mode: str = "min",
        fn: RuleFunction | None = None,
        level: str = AlertLevel.WARN,
    ) -> None:
        if not metric or metric.__class__ is not str:
            raise ConfigError(f"watch() takes the name of a metric, not {metric!r}", hint='tasuki.watch("train/loss")')
        self.level = parse_alert_level(level)
        if mode not in {"min", "max"}:
            raise ConfigError(f"there is no mode={mode!r}", hint="min if less is better, max if more is")
        self.metric = metric
        self.nan = nan
        self.max_value = parse_limit("max_value", max_value)
        self.min_value = parse_limit("min_value", min_value)
        self.spike_factor = parse_limit("spike_factor", spike_factor, minimum=1.0)
        self.window = parse_count("window", window)
        self.patience = None if patience is None else parse_count("patience", patience)
        self.min_delta = parse_limit("min_delta", min_delta) or 0.0
        self.less_is_better = mode == "min"
        self.fn = fn
        self.validate()
        self.active_keys: Set[str] = EMPTY_SET
        self.recent_values: deque[float] = deque(maxlen=self.window)
        self.best_value: float | None = None
        self.stagnant_count = 0
        self.has_warned = False

    def validate(self) -> None:
        """Check the combination of arguments."""
        if self.min_value is not None and self.max_value is not None and self.min_value > self.max_value:
            raise ConfigError(f"min_value={self.min_value} is above max_value={self.max_value}: every value would be outside")
        if self.min_delta < 0:
            raise ConfigError(f"min_delta={self.min_delta} is negative", hint="0 counts every improvement")
        if self.fn is not None:
            validate_function(self.fn)
        elif not self.nan and self.max_value is self.min_value is self.spike_factor is self.patience is None:
            raise ConfigError(f"nothing to watch {self.metric!r} for", hint="nan=True, max_value=, spike_factor=, patience= or fn=")

    def evaluate(self, value: float, step: int) -> list[WatcherFinding]:
        """Evaluate the next value; return the findings."""
        found: list[WatcherFinding] = []
        outlasting = EMPTY_SET
        if math.isfinite(value):
            found += self.evaluate_limits(value, step)
            if self.spike_factor is not None:
                found += self.evaluate_spike(value, step, self.spike_factor)
        elif self.nan or math.isnan(value):
            outlasting = STILL_ACTIVE_AFTER_NAN
            if self.nan:
                found.append(self.build_finding(AlertReason.NAN, value, step, f"{self.metric} is {value}", stop=True))
        else:
            outlasting = STILL_ACTIVE_AFTER_INFINITY
            found += self.evaluate_limits(value, step)
        if self.patience is not None and self.update_stagnation(value):
            title = f"{self.metric} has not improved for {self.patience} reports"
            data = {"best": self.best_value, "patience": self.patience, "min_delta": self.min_delta}
            found.append(self.build_finding(AlertReason.PATIENCE, value, step, title, stop=True, data=data))
        if self.fn is not None:
            found += self.evaluate_function(self.fn, value, step)
        return self.filter_new(found, outlasting)

    def evaluate_limits(self, value: float, step: int) -> list[WatcherFinding]:
        """The rules on a number's size."""
        found = []
        if self.max_value is not None and value > self.max_value:
            title = f"{self.metric} is {value:g}, above {self.max_value:g}"
            data = {"max_value": self.max_value}
            found.append(self.build_finding(AlertReason.MAX_VALUE, value, step, title, stop=True, data=data))
        if self.min_value is not None and value < self.min_value:
            title = f"{self.metric} is {value:g}, below {self.min_value:g}"
            found.append(self.build_finding(AlertReason.MIN_VALUE, value, step, title, data={"min_value": self.min_value}))
        return found

    def evaluate_spike(self, value: float, step: int, factor: float) -> list[WatcherFinding]:
        """The rule on how far a number is from those before; it is then one of them."""
        found = []
        if len(self.recent_values) == self.window:
            average = math.fsum(self.recent_values) / self.window
            if average and abs(value - average) > (factor - 1) * abs(average):
                title = f"{self.metric} is {value:g} after an average of {average:g}"
                data = {"average": average, "spike_factor": factor, "window": self.window}
                found.append(self.build_finding(AlertReason.SPIKE, value, step, title, data=data))
        self.recent_values.append(value)
        return found

    def update_stagnation(self, value: float) -> bool:
        """Return whether `patience` values have come since the best one without an improvement."""
        best = self.best_value
        if math.isfinite(value) and (
            best is None or (value < best - self.min_delta if self.less_is_better else value > best + self.min_delta)
        ):
            self.best_value, self.stagnant_count = value, 0
        elif best is not None:
            self.stagnant_count += 1
        return self.stagnant_count >= (self.patience or 0) > 0

    def evaluate_function(self, fn: RuleFunction, value: float, step: int) -> list[WatcherFinding]:
        """Evaluate a user's rule. Warn once about an exception or an invalid result."""
        try:
            said = fn(value, step)
            alerts = said if isinstance(said, (list, tuple)) else [said]
            return [self.parse_alert(alert, value, step) for alert in alerts if alert is not None and alert is not False]
        except Exception as error:  # noqa: BLE001 - a user's rule must never reach the training loop
            if not self.has_warned:
                self.has_warned = True
                warn_user(f"the watcher of {self.metric!r} failed, which is said once: {type(error).__name__}: {error}")
            return []

    def parse_alert(self, returned: object, value: float, step: int) -> WatcherFinding:
        """An alert of a user's rule, from True or a dict. TypeError, ValueError."""
        if returned is not True and not isinstance(returned, Mapping):
            raise TypeError(f"fn returned {returned!r}; None, True, a dict or a list of dicts was expected")
        parts: Mapping[str, Any] = returned if isinstance(returned, Mapping) else {}
        return WatcherFinding(
            reason=AlertReason.CUSTOM,
            metric=self.metric,
            value=value,
            step=step,
            title=to_text(parts.get("title") or f"{self.metric} meets its custom rule"),
            level=AlertLevel(parts.get("level") or self.level),
            stop=bool(parts.get("stop")),
            text=None if parts.get("text") is None else to_text(parts["text"]),
            data=parts.get("data"),
        )

    def build_finding(
        self, reason: AlertReason, value: float, step: int, title: str, *, stop: bool = False, data: Mapping[str, Any] | None = None
    ) -> WatcherFinding:
        """Build the finding of a built-in rule."""
        return WatcherFinding(reason, self.metric, value, step, title, self.level, stop, None, data)

    def filter_new(self, findings: list[WatcherFinding], still_active: Set[str]) -> list[WatcherFinding]:
        """Return the findings that did not hold for the value before. A user's rules are identified by title.

        `outlasting`: what a value like this one does not end, if it was so before.
        """
        if not findings:
            self.active_keys = self.active_keys & still_active if self.active_keys else EMPTY_SET
            return findings
        keys = [finding.title if finding.reason is AlertReason.CUSTOM else finding.reason.value for finding in findings]
        fresh = [finding for key, finding in zip(keys, findings, strict=True) if key not in self.active_keys]
        self.active_keys = set(keys) | (self.active_keys & still_active)
        return fresh


class Watchers:
    """The watchers of a run, by metric. Any thread may log, also in a signal handler."""

    def __init__(self) -> None:
        self.by_metric: dict[str, list[Watcher]] = {}
        self.name_prefixes: Set[str] = EMPTY_SET
        """What a call has if it has a metric that is watched: its name, or the beginning of it that nested values have."""
        self.lock = threading.RLock()

    def add(self, watcher: Watcher) -> None:
        """One more; several may watch one metric."""
        with self.lock:
            self.by_metric = self.by_metric | {watcher.metric: [*self.by_metric.get(watcher.metric, []), watcher]}
            parts = watcher.metric.split("/")
            self.name_prefixes = self.name_prefixes | {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}

    def evaluate(self, metrics: Mapping[str, Any], step: int) -> list[WatcherFinding]:
        """Evaluate the values of one call; return the findings."""
        found: list[WatcherFinding] = []
        for metric, watchers in self.by_metric.items():
            value = metrics[metric] if metric in metrics else find_nested_value(metrics, metric)
            if value.__class__ is not float:
                if value is MISSING_VALUE:
                    continue
                try:
                    value = float(convert_number(value))
                except TypeError:  # which log() has warned of
                    continue
            with self.lock:
                for watcher in watchers:
                    found += watcher.evaluate(value, step)
        return found


def find_nested_value(metrics: Mapping[str, Any], name: str) -> Any:
    """A value in nested dicts, by its name with slashes."""
    head, slash, rest = name.partition("/")
    while slash:
        inner = metrics.get(head)
        if isinstance(inner, Mapping):
            found = inner[rest] if rest in inner else find_nested_value(inner, rest)
            if found is not MISSING_VALUE:
                return found
        step, slash, rest = rest.partition("/")
        head = f"{head}/{step}"
    return MISSING_VALUE


def parse_limit(name: str, value: float | None, *, minimum: float | None = None) -> float | None:
    """A number that a limit can be. ConfigError."""
    if value is None:
        return None
    try:
        limit = float(convert_number(value))
    except TypeError as error:
        raise ConfigError(f"{name}={value!r} is not a number") from error
    if not math.isfinite(limit) or (minimum is not None and limit <= minimum):
        hint = "a finite number" if minimum is None else f"more than {minimum:g}"
        raise ConfigError(f"{name}={value!r} can't be a limit", hint=hint)
    return limit


def parse_count(name: str, value: int) -> int:
    """A number of reports. ConfigError."""
    if value.__class__ is not int or value < 1:
        raise ConfigError(f"{name}={value!r} is not a number of reports", hint="a whole number, 1 or more")
    return value


def validate_function(fn: RuleFunction) -> None:
    """A user's rule takes the value and the step. ConfigError."""
    if not callable(fn):
        raise ConfigError(f"fn={fn!r} can't be called", hint="fn=lambda value, step: value > 3")
    try:
        inspect.signature(fn).bind(0.0, 0)
    except TypeError as error:
        raise ConfigError(f"fn must take a value and a step: {error}", hint="fn=lambda value, step: value > 3") from error
    except ValueError:  # a builtin without a signature
        return
