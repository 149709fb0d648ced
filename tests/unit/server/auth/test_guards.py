import pytest

from tasuki.server.auth.guards import forbidden_problem
from tasuki.server.auth.principal import Principal, Scope


@pytest.mark.parametrize(
    ("own", "needed", "detail", "command"),
    [
        (None, "p", "this token is for read on all projects; that needs write on 'p'", "tasuki token create --write p"),
        ("q", "p", "this token is for read on project 'q'; that needs write on 'p'", "tasuki token create --write p"),
        ("q", None, "this token is for read on project 'q'; that needs write", "tasuki token create --write"),
    ],
)
def test_a_refusal_names_what_the_token_is_for_and_what_it_lacks(own: str | None, needed: str | None, detail: str, command: str):
    principal = Principal(token_id="t", name="n", scope=Scope.READ, project=own)
    problem = forbidden_problem(principal, Scope.WRITE, needed)
    assert (problem.status, problem.detail) == (403, detail)
    assert problem.hint is not None
    assert problem.hint.endswith(command)
