"""tasuki: a local-first experiment tracker and job relay. Holds only names, imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasuki import hpc as hpc
    from tasuki.errors import TasukiError as TasukiError
    from tasuki.records import AlertLevel as AlertLevel
    from tasuki.records import AlertReason as AlertReason
    from tasuki.records import Status as Status
    from tasuki.sdk import Run as Run
    from tasuki.sdk import alert as alert
    from tasuki.sdk import correct as correct
    from tasuki.sdk import event as event
    from tasuki.sdk import finish as finish
    from tasuki.sdk import init as init
    from tasuki.sdk import lesson as lesson
    from tasuki.sdk import log as log
    from tasuki.sdk import save as save
    from tasuki.sdk import should_stop as should_stop
    from tasuki.sdk import watch as watch
    from tasuki.sdk.brain import Brain as Brain
    from tasuki.sdk.query.api import Api as Api
    from tasuki.sdk.run_config import Config
    from tasuki.volumes.destination import setup_volume as setup_volume
    from tasuki.volumes.syncer import VolumeSyncer as VolumeSyncer

    config: Config

__version__ = "0.1.0"

MODULE_BY_NAME = {
    "AlertLevel": "tasuki.records",
    "AlertReason": "tasuki.records",
    "Api": "tasuki.sdk.query.api",
    "Brain": "tasuki.sdk.brain",
    "Run": "tasuki.sdk",
    "Status": "tasuki.records",
    "TasukiError": "tasuki.errors",
    "VolumeSyncer": "tasuki.volumes.syncer",
    "alert": "tasuki.sdk",
    "config": "tasuki.sdk.module_functions",
    "correct": "tasuki.sdk",
    "event": "tasuki.sdk",
    "finish": "tasuki.sdk",
    "init": "tasuki.sdk",
    "lesson": "tasuki.sdk",
    "log": "tasuki.sdk",
    "save": "tasuki.sdk",
    "setup_volume": "tasuki.volumes.destination",
    "should_stop": "tasuki.sdk",
    "watch": "tasuki.sdk",
}
"""Where each name of the facade lives."""

PUBLIC_PACKAGES = ("hpc",)
"""Rooms that users name."""

__all__ = [*MODULE_BY_NAME, *PUBLIC_PACKAGES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in PUBLIC_PACKAGES:
        return import_module(f"tasuki.{name}")
    if name not in MODULE_BY_NAME:
        raise AttributeError(f"module 'tasuki' has no attribute {name!r}")
    found = getattr(import_module(MODULE_BY_NAME[name]), name)
    if name != "config":  # which is another one with each run
        globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
