"""Resolve which run to begin: a new one, or another attempt at one of the folder or the server."""

import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from tasuki.errors import ConfigError, Conflict, InvalidRecord, NotFound, RemoteError, warn_user
from tasuki.journal import JournalFileInfo, JournalFolder, validate_run_id
from tasuki.records import Metrics, ResumableRun, decode, iterate_frames
from tasuki.relay import fetch_resumable_run
from tasuki.settings import Settings

__all__ = ["ResumedRun", "resolve_run"]

ID_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
RESUME_MODES = ("never", "allow", "must")


class ResumedRun(NamedTuple):
    """A run's id, and the step after the highest that it has logged."""

    id: str
    next_step: int


def resolve_run(settings: Settings, project: str, requested_id: str | None, resume: str) -> ResumedRun:
    """Return the run to begin.

    Raise ConfigError for invalid options, Conflict or NotFound as `resume` demands.

    With `resume="must"` the beginning of an id will do, where no other begins so. A server that can't be asked holds nobody up
    whose run is in the folder, or may be new.
    """
    if resume not in RESUME_MODES:
        raise ConfigError(f"there is no resume={resume!r}", hint=f"one of {', '.join(RESUME_MODES)}")
    if requested_id is None:
        if resume == "must":
            raise ConfigError('resume="must" needs an id', hint='tasuki.init(id="abc", resume="must")')
        return ResumedRun("".join(secrets.choice(ID_ALPHABET) for _ in range(8)), 0)
    ref = validate_run_id(requested_id)
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    here = find_local_run(folder, project, ref, allow_prefix=resume == "must")
    needed = resume == "must" and here is None
    there = find_remote_run(settings, project, here.id if here else ref, is_required=needed, is_resuming=resume != "never")
    if there is not None and resume != "must" and there.id != ref:
        there = None
    found = here or there
    if found is not None and resume == "never":
        raise Conflict(f"project {project!r} has a run {ref!r}", hint='resume="allow" makes a new attempt at it')
    if found is None and resume == "must":
        raise NotFound(f"project {project!r} has no run {ref!r}", hint='resume="allow" starts it')
    steps = [known.next_step for known in (here, there) if known is not None]
    return ResumedRun(found.id if found else ref, max(steps, default=0))


def find_local_run(folder: JournalFolder, project: str, ref: str, *, allow_prefix: bool) -> ResumableRun | None:
    """The run in the folder's journals. NotFound, naming them, if several ids begin so."""
    journals = list(folder.journals(project=project))
    ids = {journal.header.run for journal in journals}
    fitting = (
        sorted(id for id in ids if id and id.startswith(ref)) if allow_prefix and ref not in ids else [ref] if ref in ids else []
    )
    if len(fitting) > 1:
        raise NotFound(f"project {project!r} has {len(fitting)} runs whose ids begin with {ref!r}", hint=", ".join(fitting[:10]))
    if not fitting:
        return None
    return ResumableRun(
        id=fitting[0], next_step=compute_next_step(folder, (one for one in journals if one.header.run == fitting[0]))
    )


def find_remote_run(settings: Settings, project: str, ref: str, *, is_required: bool, is_resuming: bool) -> ResumableRun | None:
    """Return the run on the server, if there is one.

    Raise RemoteError only if the server's answer is required.

    Whoever resumes is warned if it can't be asked: steps may then be counted anew.
    """
    if settings.remote is None or settings.disable_write_through:
        return None
    try:
        return fetch_resumable_run(settings.remote, settings.key(settings.remote), project, ref)
    except RemoteError as error:
        if is_required:
            raise
        if is_resuming:
            warn_user(f"whether the server has run {ref!r} is not known: {error.message}")
        return None


def compute_next_step(folder: JournalFolder, journals: Iterable[JournalFileInfo]) -> int:
    """The step after the highest that is logged."""
    return max((find_highest_step(folder, journal) for journal in journals), default=-1) + 1


def find_highest_step(folder: JournalFolder, journal: JournalFileInfo) -> int:
    """The highest step that a journal has; -1 if none. A record that can't be read is skipped."""
    highest = -1
    with folder.open_reader(journal) as view:
        for piece in view.read_pieces():
            for _, payload in iterate_frames(piece):
                with suppress(InvalidRecord):
                    record = decode(payload)
                    if isinstance(record, Metrics):
                        highest = max(highest, record.step)
    return highest
