"""Replicate's answers, as its documentation shows them (https://replicate.com/docs/reference/http, 2025)."""

import pytest

from tasuki.errors import ConfigError
from tasuki.jobs.providers.prices import REPLICATE_PRICES, compute_cost
from tasuki.jobs.providers.replicate import parse_data_uri, parse_job, parse_pause, parse_time
from tasuki.records import JobStatus
from tasuki.testing import FakeClock

PREDICTION = {
    "id": "gm3qorzdhgbfurvjtvhg6dckhu",
    "model": "replicate/hello-world",
    "version": "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa",
    "input": {"text": "Alice"},
    "logs": "",
    "output": "hello Alice",
    "error": None,
    "status": "succeeded",
    "created_at": "2023-09-08T16:19:34.765994Z",
    "data_removed": False,
    "started_at": "2023-09-08T16:19:34.779176Z",
    "completed_at": "2023-09-08T16:19:34.791859Z",
    "metrics": {"predict_time": 0.012683, "total_time": 0.025366},
    "urls": {"get": "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu"},
}


def test_the_prediction_of_the_documentation_is_read():
    sight = parse_job(PREDICTION)
    seen = sight.observation
    assert (seen.status, seen.raw_status, seen.external_id) == (JobStatus.COMPLETED, "succeeded", PREDICTION["id"])
    assert (seen.ended or 0) - (seen.started or 0) == 12_683
    assert (sight.seconds, sight.logs, sight.inputs) == (0.012683, "", {"text": "Alice"})
    assert seen.metadata == {"model": PREDICTION["model"], "version": PREDICTION["version"]}


@pytest.mark.parametrize(
    ("word", "status"),
    [("starting", "queued"), ("processing", "running"), ("succeeded", "completed"), ("failed", "failed"), ("canceled", "cancelled"),
     ("aborted", "cancelled"), ("new", None)],
)  # fmt: skip
def test_each_word_means_a_status_and_a_new_one_none(word: str, status: str | None):
    assert parse_job(PREDICTION | {"status": word}).observation.status == status


@pytest.mark.parametrize("odd", [{}, {"id": 5}, {"id": ""}, {"status": None}])
def test_what_has_no_id_or_status_is_no_prediction(odd: dict):
    with pytest.raises(ValueError, match="id"):
        parse_job({} if not odd else PREDICTION | odd)


def test_odd_fields_are_passed_over():
    odd = {
        "metrics": 5,
        "logs": None,
        "output": {"a": ["https://x/1"]},
        "started_at": "then",
        "created_at": 7,
        "error": 5,
        "urls": [],
    }
    sight = parse_job(PREDICTION | odd)
    assert (sight.seconds, sight.logs, sight.created, sight.observation.started) == (None, None, None, None)
    assert (sight.observation.output_url, sight.observation.error_message) == ("https://x/1", None)
    training = parse_job(PREDICTION | {"urls": {"get": "https://api.replicate.com/v1/trainings/x"}})
    assert training.observation.metadata["kind"] == "training"


@pytest.mark.parametrize("seconds", [10**400, True, "5", -(10**10)])
def test_a_time_that_is_none_costs_nothing(seconds: object):
    assert parse_job(PREDICTION | {"metrics": {"predict_time": seconds}}).seconds in (None, 1.0)


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({"retry-after": "7"}, "", 7.0),
        ({}, '{"detail":"Request was throttled. Your rate limit resets in ~30s."}', 30.0),
        ({}, "resets in 5 s", 5.0),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, "", 60.0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "soon"}, "resets in 5 s", 5.0),
        ({"retry-after": "99999999"}, "", 3600.0),
    ],
)
def test_how_long_to_wait_is_read_from_the_header_or_the_text(headers: dict, text: str, seconds: float | None):
    assert parse_pause(headers, text, FakeClock().now_us()) == seconds


def test_the_cost_is_the_price_of_the_jobs_own_hardware_times_how_many():
    assert compute_cost("gpu-t4", 1000, REPLICATE_PRICES) == 0.225
    assert compute_cost("gpu-a100-large-2x", 10, REPLICATE_PRICES) == pytest.approx(0.028)
    assert compute_cost("unheard-of", 10, REPLICATE_PRICES) is None
    assert compute_cost(None, 10, REPLICATE_PRICES) is None
    assert compute_cost("gpu-t4", -5, REPLICATE_PRICES) == 0.0


def test_a_data_uri_is_read():
    assert parse_data_uri("data:text/plain;base64,aGk=") == ("text/plain", b"hi")
    assert parse_data_uri("data:,hi") == ("application/octet-stream", b"hi")
    with pytest.raises(ConfigError):
        parse_data_uri("data:text/plain;base64,%%%")


def test_a_time_without_a_zone_is_none():
    assert parse_time("2023-09-08T16:19:34") is None
    assert parse_time("1970-01-01T00:00:01Z") == 1_000_000
