"""`PATCH` and `DELETE /api/v1/runs/{id}`: edits of runs, which are records in the server's own journal."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, patch
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from tasuki.clock import SYSTEM
from tasuki.errors import ConfigError
from tasuki.records import Change
from tasuki.server.answers import RunAnswer, encoded
from tasuki.server.gate import needs
from tasuki.server.limits import MAX_JSON_BYTES
from tasuki.server.own_journal import OwnJournal
from tasuki.server.problems import Problem, Refusal
from tasuki.server.readers import Reached
from tasuki.server.reading import Project, run_answer
from tasuki.server.tokens import Principal, Scope
from tasuki.store import Edit, Questions, changed, deleted, later

__all__ = ["EDITING"]

PROBLEM = "application/problem+json"
PROBLEMS = {
    400: ResponseSpec(Problem, description="Not JSON", media_type=PROBLEM),
    404: ResponseSpec(Problem, description="There is no such project or run", media_type=PROBLEM),
    413: ResponseSpec(Problem, description="Too large", media_type=PROBLEM),
    422: ResponseSpec(Problem, description="Not a change", media_type=PROBLEM),
    503: ResponseSpec(Problem, description="The disk is full, or the server is stopping", media_type=PROBLEM),
}
decode = msgspec.json.Decoder(Change).decode


@patch("/api/v1/runs/{id:str}", status_code=200, summary="Change a run", opt=needs(Scope.WRITE), responses={
    200: ResponseSpec(RunAnswer, description="The run as it is then"), **PROBLEMS,
})  # fmt: skip
async def change(
    request: Request[Any, Principal, Any], own_journal: OwnJournal, id: FromPath[str], project: Project
) -> Response[bytes]:
    """Change a run's name, group, notes or tags: `{"name", "group", "notes", "tags_added": [], "tags_removed": []}`.

    What is missing stays. It is later than all that is known of the run by then.
    """
    async with own_journal.receiver.bodies.read(request, MAX_JSON_BYTES) as body:
        edit = parsed(body)
    before, watermark = await appended(own_journal, project, id, edit)
    return answered(await run_now(own_journal, project, before.id, place(watermark)))


@delete("/api/v1/runs/{id:str}", status_code=200, summary="Delete a run", opt=needs(Scope.WRITE), responses={
    200: ResponseSpec(RunAnswer, description="The run as it was"), **PROBLEMS,
})  # fmt: skip
async def remove(own_journal: OwnJournal, id: FromPath[str], project: Project) -> Response[bytes]:
    """Forget a run: only a tombstone stays, and what is still recorded of it is not shown."""
    before, watermark = await appended(own_journal, project, id, deleted())
    await own_journal.readers.ask(lambda _, reached: reached, place(watermark))
    return answered(before)


def parsed(body: bytes) -> Edit:
    """The edit in a body. Refusal (400, 422) for what is none."""
    try:
        return changed(decode(body))
    except msgspec.ValidationError as error:
        raise Refusal(422, str(error), hint="docs/api.md, Changing runs") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"not a JSON object: {error}", hint="docs/api.md, Changing runs") from error
    except ConfigError as error:
        raise Refusal(422, error.message, hint=error.hint) from error


async def appended(own_journal: OwnJournal, project: str, ref: str, edit: Edit) -> tuple[RunAnswer, str]:
    """Put the edit on the disk; the run as it was, and `writer:offset` behind the edit."""
    found = await run_now(own_journal, project, ref)
    brain = own_journal.brain(project, found.id)
    async with brain.lock:
        before = await run_now(own_journal, project, found.id)
        return before, await own_journal.append(brain, [edit(later(before, SYSTEM))])


async def run_now(own_journal: OwnJournal, project: str, ref: str, after: tuple[str, int] | None = None) -> RunAnswer:
    """The run, with what comes before a place in it."""

    def question(questions: Questions, reached: Reached) -> RunAnswer:
        return run_answer(questions.run(project, ref), reached)

    return (await own_journal.readers.ask(question, after)).value


def place(watermark: str) -> tuple[str, int]:
    """A writer, and an offset in its stream."""
    writer, _, offset = watermark.partition(":")
    return writer, int(offset)


def answered(run: RunAnswer) -> Response[bytes]:
    """A run as an answer."""
    return Response(encoded(run), media_type="application/json")


EDITING = [change, remove]
