from operator import attrgetter
from pathlib import Path

import pytest

from tasuki.alert_targets import AlertTarget
from tasuki.errors import ConfigError
from tasuki.settings import TABLE, captured_environment, load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder whose settings file says something about each key."""
    (tmp_path / "tasuki.yaml").write_text("project: filed\nremote: http://filed\ntoken: filed\ndisable_write_through: yes\n")
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"TASUKI_DIR": str(folder), **more}


def test_an_argument_wins_over_the_environment(folder: Path):
    settings = load(environment(folder, TASUKI_PROJECT="environment"), project="argument")
    assert (settings.project, settings.origin["project"]) == ("argument", "argument")


def test_the_environment_wins_over_the_file(folder: Path):
    settings = load(environment(folder, TASUKI_PROJECT="environment"))
    assert (settings.project, settings.origin["project"]) == ("environment", "TASUKI_PROJECT")


def test_the_file_wins_over_the_default(folder: Path):
    settings = load(environment(folder))
    assert (settings.project, settings.remote, settings.token) == ("filed", "http://filed", "filed")
    assert settings.disable_write_through
    assert settings.origin["project"] == str(folder / "tasuki.yaml")


def test_without_anything_it_is_local_only(tmp_path: Path):
    settings = load(environment(tmp_path))
    assert (settings.project, settings.remote, settings.token, settings.disable_write_through) == (None, None, None, False)
    assert settings.journal_root == settings.lock_root == tmp_path / "journal"
    assert settings.origin == {"dir": "TASUKI_DIR"}


def test_an_argument_of_none_and_an_empty_variable_count_as_not_given(folder: Path):
    assert load(environment(folder, TASUKI_PROJECT=""), project=None).project == "filed"


def test_our_variable_wins_over_a_neighbours(tmp_path: Path):
    variables = environment(tmp_path, TRACKIO_PROJECT="theirs", TASUKI_PROJECT="ours")
    assert load(variables).project == "ours"
    del variables["TASUKI_PROJECT"]
    assert load(variables).project == "theirs"


MEANT = {
    "dir": Path,
    "journal": Path,
    "disable_write_through": bool,
    "capture_git": bool,
    "retention_days": float,
    "system_metrics": float,
    "events_per_address": int,
    "background.job_status_polling.interval_seconds": float,
    "stalled_minutes": float,
    "notify": lambda value: (AlertTarget(url=value),),
}


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0), ("false", 0), ("no", 0), ("1", 1), ("2.5", 2.5), ("true", 15), ("on", 15), ("", 15)]
)
def test_samples_of_the_machine_are_so_many_seconds_apart_or_none(value: str, seconds: float, tmp_path: Path):
    assert load(environment(tmp_path, TASUKI_SYSTEM_METRICS=value)).system_metrics == seconds


@pytest.mark.parametrize("value", ["0.5", "-1", "often", "1e9", "nan"])
def test_an_interval_that_can_not_be_meant_is_said(value: str, tmp_path: Path):
    with pytest.raises(ConfigError, match=f"TASUKI_SYSTEM_METRICS is '{value}'"):
        load(environment(tmp_path, TASUKI_SYSTEM_METRICS=value))


@pytest.mark.parametrize(("variable", "key"), [(variable, setting.key) for setting in TABLE for variable in setting.variables])
def test_every_variable_of_the_table_sets_its_key(variable: str, key: str, tmp_path: Path):
    address = key in {"remote", "notify", "public_url"}
    value = str(tmp_path) if key in {"dir", "journal"} else "http://1" if address else "1" if MEANT.get(key) is bool else "7"
    settings = load({"TASUKI_DIR": str(tmp_path / "data"), variable: value})
    assert settings.origin[key] == variable
    assert attrgetter(key)(settings) == MEANT.get(key, str)(value)


def test_journals_elsewhere_keep_their_locks_in_the_data_folder(tmp_path: Path):
    settings = load(environment(tmp_path, TASUKI_JOURNAL="/volume/journals"))
    assert (settings.journal_root, settings.lock_root) == (Path("/volume/journals"), tmp_path / "journal")


def test_a_relative_folder_and_a_tilde_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load({"TASUKI_DIR": "data"}).dir == tmp_path / "data"
    assert load({"TASUKI_DIR": "~/data"}).dir == Path("/home/somebody/data")


@pytest.mark.parametrize("text", ["1", "true", "YES", "On", " true "])
def test_yes_may_be_written_in_many_ways(text: str, tmp_path: Path):
    assert load(environment(tmp_path, TASUKI_DISABLE_WRITE_THROUGH=text)).disable_write_through


@pytest.mark.parametrize("text", ["0", "false", "No", "off"])
def test_no_may_be_written_in_many_ways(text: str, tmp_path: Path):
    assert not load(environment(tmp_path, TASUKI_DISABLE_WRITE_THROUGH=text)).disable_write_through


def test_what_is_neither_yes_nor_no_is_refused_with_its_variable(tmp_path: Path):
    with pytest.raises(ConfigError, match="TASUKI_DISABLE_WRITE_THROUGH is 'maybe'"):
        load(environment(tmp_path, TASUKI_DISABLE_WRITE_THROUGH="maybe"))


def test_a_named_settings_file_is_read_instead(folder: Path, tmp_path: Path):
    named = tmp_path / "named.yaml"
    named.write_text("project: named\n")
    settings = load(environment(folder, TASUKI_CONFIG=str(named)))
    assert (settings.project, settings.remote) == ("named", None)


def test_a_named_settings_file_that_is_missing_is_an_error(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no settings file .*gone\.yaml"):
        load(environment(tmp_path, TASUKI_CONFIG=str(tmp_path / "gone.yaml")))


def test_an_unknown_key_is_refused_with_those_there_are(tmp_path: Path):
    (tmp_path / "tasuki.yaml").write_text("projekt: x\n")
    with pytest.raises(ConfigError, match=r"unknown keys: projekt .*project"):
        load(environment(tmp_path))


def test_the_file_says_for_each_address_of_which_project_and_from_which_level_on(tmp_path: Path):
    (tmp_path / "tasuki.yaml").write_text(
        "notify:\n- https://hooks.example/a\n- url: slack://T/K/S\n  project: digits\n  level: error\nstalled_minutes: 0.5\n"
    )
    settings = load(environment(tmp_path))
    assert settings.notify == (
        AlertTarget(url="https://hooks.example/a"),
        AlertTarget(url="slack://T/K/S", project="digits", level="error"),
    )
    assert settings.stalled_minutes == 0.5
    assert load(environment(tmp_path, TASUKI_NOTIFY="json://b")).notify == (AlertTarget(url="json://b"),)


def test_a_settings_file_that_can_not_be_read_is_an_error_that_says_so(tmp_path: Path):
    (tmp_path / "tasuki.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"tasuki\.yaml can't be read: Is a directory"):
        load(environment(tmp_path))


def test_a_data_folder_that_is_a_file_has_no_settings_file(tmp_path: Path):
    (tmp_path / "file").touch()
    assert load(environment(tmp_path / "file")).origin == {"dir": "TASUKI_DIR"}


@pytest.mark.parametrize(("content", "message"), [("a: [", "is not YAML"), ("- a\n", "no mapping")])
def test_a_settings_file_that_is_no_mapping_is_refused(content: str, message: str, tmp_path: Path):
    (tmp_path / "tasuki.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        load(environment(tmp_path))


def test_a_run_records_its_scheduler_but_no_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_API_TOKEN", "secret")
    monkeypatch.setenv("PBS_JOBID", "8.host")
    captured = captured_environment()
    assert captured["scheduler"].items() >= {"SLURM_JOB_ID": "7", "PBS_JOBID": "8.host"}.items()
    assert "SLURM_API_TOKEN" not in captured["scheduler"]
    assert captured["host"]


@pytest.mark.parametrize("days", ["-1", "x", "nan", "1e9"])
def test_what_is_no_number_of_days_is_refused(days: str, tmp_path: Path):
    with pytest.raises(ConfigError, match="TASUKI_RETENTION_DAYS"):
        load(environment(tmp_path, TASUKI_RETENTION_DAYS=days))


def test_settings_of_jobs_lie_below_their_names(tmp_path: Path):
    (tmp_path / "tasuki.yaml").write_text(
        "background:\n  job_status_polling: {enabled: yes, interval_seconds: 0.5}\n  queue_processing: {enabled: false}\n"
        "providers:\n  replicate: {webhook_url: http://x/api/webhooks/replicate, prices: {gpu-t4: 0.25}}\n"
        "trusted_proxies: 10.0.0.1, 10.0.0.2\n"
    )
    settings = load(environment(tmp_path))
    assert (settings.background.job_status_polling.enabled, settings.background.job_status_polling.interval_seconds) == (True, 0.5)
    assert not settings.background.queue_processing.enabled
    assert settings.providers.replicate.prices == {"gpu-t4": 0.25}
    assert settings.trusted_proxies == {"10.0.0.1", "10.0.0.2"}


def test_the_file_of_a_neighbouring_tool_is_read_and_what_is_not_ours_passed_over(tmp_path: Path):
    (tmp_path / "simpletuner-enterprise.yaml").write_text(
        "job_polling_interval: 60\nauth: {enabled: true}\nbackground: {job_status_polling: {enabled: false}, other: {}}\n"
    )
    settings = load(environment(tmp_path))
    polling = settings.background.job_status_polling
    assert (polling.enabled, polling.interval_seconds) == (False, 60)
    (tmp_path / "tasuki.yaml").write_text("job_polling_interval: 7\n")
    assert load(environment(tmp_path)).background.job_status_polling.interval_seconds == 7


@pytest.mark.parametrize("variable", ["TASUKI_JOB_POLL_INTERVAL", "SIMPLETUNER_JOB_POLL_INTERVAL"])
@pytest.mark.parametrize("value", ["4.9", "x", "0", "-5", "nan"])
def test_an_interval_that_is_too_short_is_refused_with_its_variable(tmp_path: Path, variable: str, value: str):
    with pytest.raises(ConfigError, match=variable):
        load(environment(tmp_path, **{variable: value}))


def test_an_unknown_key_below_a_known_one_is_refused(tmp_path: Path):
    (tmp_path / "tasuki.yaml").write_text("providers: {replicate: {tokn: x}}\n")
    with pytest.raises(ConfigError, match=r"unknown keys: providers\.replicate\.tokn"):
        load(environment(tmp_path))
