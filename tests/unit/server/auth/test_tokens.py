import pytest

from tasuki.errors import DataError, NotFound
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.auth.tokens import Tokens, open_tokens
from tasuki.testing import FakeClock


@pytest.fixture
def tokens():
    with Tokens(":memory:", clock=FakeClock()) as tokens:
        yield tokens


def test_a_token_is_its_principals_until_it_is_revoked(tokens):
    text = tokens.create(Scope.LOG, "vision", name="cluster")
    (row,) = tokens.list_tokens()
    assert tokens.authenticate(text) == Principal(row.id, "cluster", Scope.LOG, "vision")
    tokens.revoke(row.id)
    assert tokens.authenticate(text) is None
    assert not tokens.is_valid(Principal(row.id, "cluster", Scope.LOG, "vision"))


def test_a_token_expires(tokens):
    text = tokens.create(Scope.READ, expires=tokens.clock.now_us() + 5_000_000)
    principal = tokens.authenticate(text)
    assert principal is not None
    tokens.clock.sleep(5)
    assert tokens.authenticate(text) is None
    assert not tokens.is_valid(principal)


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text[:-1] + "~", lambda text: "", lambda text: text.upper()]
)
def test_what_is_nearly_a_token_is_none(tokens, change):
    assert tokens.authenticate(change(tokens.create(Scope.ADMIN))) is None


def test_anothers_secret_does_not_fit(tokens):
    one, two = tokens.create(Scope.ADMIN), tokens.create(Scope.READ)
    assert tokens.authenticate(one[:17] + two[17:]) is None


def test_the_file_does_not_hold_the_secret(tmp_path):
    with open_tokens(tmp_path) as tokens:
        text = tokens.create(Scope.ADMIN, name="me")
        tokens.authenticate(text)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"me" in content
    assert text.encode()[17:] not in content
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_revoked_token_still_counts_as_one(tokens):
    assert not tokens.has_any()
    tokens.create(Scope.READ)
    tokens.revoke(tokens.list_tokens()[0].id)
    assert tokens.has_any()


def test_when_it_was_last_used_is_kept_to_the_minute(tokens):
    text = tokens.create(Scope.READ)
    assert tokens.list_tokens()[0].used is None
    tokens.authenticate(text)
    first = tokens.list_tokens()[0].used
    tokens.clock.sleep(30)
    tokens.authenticate(text)
    assert tokens.list_tokens()[0].used == first
    tokens.clock.sleep(31)
    tokens.authenticate(text)
    assert tokens.list_tokens()[0].used == first + 61_000_000


def test_the_first_to_send_owns_a_run(tokens):
    run = ("p", "r", "")
    assert tokens.find_owner(*run) is None
    assert tokens.claim_ownership({run}, "a") == {run: "a"}
    assert tokens.claim_ownership({run}, "b") == {run: "a"}


def test_a_token_that_is_not_there_cannot_be_revoked(tokens):
    with pytest.raises(NotFound):
        tokens.revoke("0" * 12)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "server.db").write_bytes(b"no database, but long enough to look like one" * 100)
    with pytest.raises(DataError):
        open_tokens(tmp_path)


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        (Scope.READ, {"read"}),
        (Scope.LOG, {"log"}),
        (Scope.WRITE, {"read", "log", "write"}),
        (Scope.ADMIN, {"read", "log", "write", "admin"}),
    ],
)
def test_what_a_scope_includes(scope, may):
    of_one, of_all = Principal("t", "n", scope, "a"), Principal("t", "n", scope, None)
    assert {one for one in Scope if of_one.has_scope(one, "a")} == may
    assert {one for one in Scope if of_all.has_scope(one, "b")} == may
    assert not any(of_one.has_scope(one, "b") for one in Scope)
