"""What trackio records, brought to where tasuki's records are. It reads SQLite: processes that train never import it."""

from tasuki.relay.trackio.bring import Bringer, Brought
from tasuki.relay.trackio.folder import TrackioFolder
from tasuki.relay.trackio.receiver import JournalReceiver
from tasuki.relay.trackio.snapshot import Busy, open_copy, take_copy

__all__ = ["Bringer", "Brought", "Busy", "JournalReceiver", "TrackioFolder", "open_copy", "take_copy"]
