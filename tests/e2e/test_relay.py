"""A relay in a training process: what it promises whatever the server does, and that it never holds the training up."""

import json
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tasuki.journal import Folder
from tasuki.records import Item, RunStatus, Status, encode, frame, pack_item
from tasuki.relay import HttpTransport
from tests.acknowledged import PROJECT, acknowledged, check
from tests.e2e.shell import tasuki
from tests.journals import journals, metrics, records_of
from tests.processes import Child, eventually
from tests.remotes import CountingProxy, Hung, Server, Website, all_there, free_port, records_at, records_in, sync_all
from tests.trainings import AS_TOLD, logged
