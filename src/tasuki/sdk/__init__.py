"""The SDK: record runs. `tasuki.sdk.query.api` queries them; it alone needs the store."""

from tasuki.sdk.module_functions import alert, correct, event, finish, init, lesson, log, save, should_stop, watch
from tasuki.sdk.run import Run

__all__ = ["Run", "alert", "correct", "event", "finish", "init", "lesson", "log", "save", "should_stop", "watch"]
