import pytest

from tasuki.jobs.service import compute_progress
from tasuki.store import JobRun


@pytest.mark.parametrize(
    ("config", "last_step", "percent", "parsed", "shown"),
    [
        ({"total_steps": 8}, 5, None, 1.0, 75.0),
        ({"max_steps": 8.0}, 5, None, None, 75.0),
        ({"steps": 8}, 20, None, None, 100.0),
        ({"steps": 0}, 5, None, 3.0, 3.0),
        ({"steps": "many"}, 5, None, 3.0, 3.0),
        ({}, 5, 62.54, 3.0, 62.5),
        ({}, None, None, None, None),
    ],
)
def test_a_run_tells_how_far_its_job_is_where_it_says_how_much_there_is(config, last_step, percent, parsed, shown):
    assert compute_progress(JobRun("p", "r", config, last_step, percent), parsed) == shown


def test_without_a_run_the_logs_tell():
    assert compute_progress(None, 30.0) == 30.0
