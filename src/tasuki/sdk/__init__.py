"""What people import to record and to ask. `tasuki.sdk.api` answers; it alone needs the store."""

from tasuki.sdk.run import Run
from tasuki.sdk.start import alert, finish, init, log

__all__ = ["Run", "alert", "finish", "init", "log"]
