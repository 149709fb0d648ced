import logging

import pytest

from tasuki.errors import ConfigError, NotFound
from tasuki.remotes import Remote, RemotesFile
from tasuki.settings import load

URL = "https://tasuki.example"


@pytest.fixture
def remotes(tmp_path):
    return RemotesFile(tmp_path)


def test_a_remote_is_kept_for_its_owner_alone(remotes):
    remotes.add(Remote("team", URL, "secret"))
    remotes.add(Remote("lab", "http://lab:7700"))
    assert remotes.all() == [Remote("team", URL, "secret"), Remote("lab", "http://lab:7700")]
    assert remotes.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in remotes.path.parent.iterdir()] == ["credentials"]


def test_a_remote_of_the_same_name_is_replaced(remotes):
    remotes.add(Remote("team", URL, "old"))
    remotes.add(Remote("team", URL, "new"))
    assert remotes.all() == [Remote("team", URL, "new")]
    remotes.remove("team")
    assert remotes.all() == []
    with pytest.raises(NotFound):
        remotes.remove("team")


def test_a_name_is_its_address_and_an_address_is_itself(remotes):
    remotes.add(Remote("team", URL))
    assert remotes.resolve_url("team") == URL
    assert remotes.resolve_url("http://other:1") == "http://other:1"
    with pytest.raises(ConfigError, match="there are team"):
        remotes.resolve_url("teem")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_is_open_to_others_is_refused_with_what_to_type(remotes, mode):
    remotes.add(Remote("team", URL, "secret"))
    remotes.path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600") as error:
        remotes.all()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("line", ["secret", "team secret", f"team {URL} secret more", "team tasuki.example secret"])
def test_a_line_that_is_none_is_said_without_what_is_in_it(remotes, line):
    remotes.path.write_text(f"# name url token\n{line}\n")
    remotes.path.chmod(0o600)
    with pytest.raises(ConfigError, match="line 2") as error:
        remotes.all()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("name", ["", "a b", "../x", "https://x", "-x"])
def test_what_can_be_no_name_is_refused(remotes, name):
    with pytest.raises(ConfigError):
        remotes.add(Remote(name, URL))


def test_a_key_follows_the_file(remotes):
    key = remotes.token_source(f"{URL}/", "from the settings")
    assert key() == "from the settings"
    remotes.add(Remote("team", URL, "one"))
    assert key() == "one"
    remotes.add(Remote("team", URL, "two"))
    assert key() == "two"
    remotes.remove("team")
    assert key() == "from the settings"


def test_while_the_file_cannot_be_used_the_last_token_stands_and_that_is_said_once(remotes, caplog):
    remotes.add(Remote("team", URL, "one"))
    key = remotes.token_source(URL)
    assert key() == "one"
    remotes.path.chmod(0o644)
    with caplog.at_level(logging.WARNING, "tasuki.remotes"):
        assert (key(), key()) == ("one", "one")
    assert len(caplog.records) == 1
    assert "one" not in caplog.text.replace("as it was", "")


def test_the_environment_goes_before_the_file_and_the_file_before_the_settings(tmp_path):
    RemotesFile(tmp_path).add(Remote("team", URL, "of-the-file"))
    (tmp_path / "tasuki.yaml").write_text("token: of the settings\nremote: team\n")
    settings = load({}, dir=str(tmp_path))
    assert settings.remote == URL
    assert settings.key(URL)() == "of-the-file"
    assert settings.key("http://other")() == "of the settings"
    assert load({"GRADATA_API_KEY": "of the environment"}, dir=str(tmp_path)).key(URL)() == "of the environment"
    assert load({"TASUKI_TOKEN": "x"}, dir=str(tmp_path), token="given").key(URL)() == "given"
