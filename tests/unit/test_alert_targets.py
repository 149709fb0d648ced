import pytest

from tasuki.alert_targets import AlertTarget, parse_targets
from tasuki.errors import ConfigError


def test_addresses_stand_alone_or_with_their_project_and_level():
    given = ["https://a.example/x", {"url": "slack://T/K/S", "project": "digits", "level": "error"}]
    assert parse_targets(given, "file") == (
        AlertTarget(url="https://a.example/x", level="warn"),
        AlertTarget(url="slack://T/K/S", project="digits", level="error"),
    )
    assert parse_targets("https://a.example/x  json://b", "TASUKI_NOTIFY") == (
        AlertTarget(url="https://a.example/x"),
        AlertTarget(url="json://b"),
    )
    assert parse_targets({"url": "https://a.example/x"}, "file") == (AlertTarget(url="https://a.example/x"),)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["s3cr3t-key"], "address 1 of notify in f is none"),
        (["https://ok.example/", "https:///s3cr3t-key"], "address 2 of notify in f is none"),
        ([{"url": "https://x.example/s3cr3t-key", "level": "loud"}], "no level 'loud'"),
        ([{"url": "https://x.example/s3cr3t-key", "projekt": "x"}], "unknown field `projekt`"),
        ([{"project": "x"}], "required field `url`"),
        ([7], "address 1 of notify in f"),
        ("http://[s3cr3t-key", "no address"),
    ],
)
def test_what_is_no_address_is_refused_without_being_shown(given: object, message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_targets(given, "f")
    assert "s3cr3t" not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(
    "url", ["https://user:s3cr3t@hooks.example/s3cr3t?key=s3cr3t", "tgram://s3cr3t/chat", "slack://s3cr3t/B/C"]
)
def test_the_name_of_a_target_and_what_is_said_of_it_show_no_secret(url: str):
    target = AlertTarget(url=url)
    assert "s3cr3t" not in target.name
    assert "s3cr3t" not in target.redact(f"POST {url} failed: s3cr3t is wrong")
    assert target.name != AlertTarget(url=f"{url}2").name


def test_of_a_webhook_the_host_is_shown():
    target = AlertTarget(url="https://hooks.example/s3cr3t")
    assert target.name.startswith("https://hooks.example/… (")
    assert target.redact("hooks.example: connection refused") == "hooks.example: connection refused"
