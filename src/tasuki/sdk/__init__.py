"""What people import to record and to ask. `tasuki.sdk.api` answers; it alone needs the store."""

from tasuki.sdk.run import Run
from tasuki.sdk.start import alert, correct, event, finish, init, lesson, log, save, should_stop, watch

__all__ = ["Run", "alert", "correct", "event", "finish", "init", "lesson", "log", "save", "should_stop", "watch"]
