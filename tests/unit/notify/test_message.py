import json
import math

import msgspec

from tasuki.notify.message import MAX_DATA_BYTES, build_alert_message, build_summary_message
from tasuki.records import AlertLevel, AlertRow

ROW = AlertRow(
    id="00:7",
    project="digits & more",
    run="a1",
    run_name="lr-1",
    time=1_800_000_000_000_000,
    level=AlertLevel.ERROR,
    title="train/loss is nan",
    reason="nan",
    metric="train/loss",
    value=math.nan,
    step=40,
    data={"last": [0.5, math.inf]},
)


def test_a_message_has_all_of_the_alert_as_json_that_every_reader_takes():
    message = build_alert_message(ROW, "http://127.0.0.1:7700/")
    assert json.loads(msgspec.json.encode(message.body)) == {
        "schema": "tasuki/alert/1",
        "id": "00:7",
        "text": "[error] digits & more · lr-1: train/loss is nan",
        "project": "digits & more",
        "run": {"id": "a1", "name": "lr-1"},
        "alert": {
            "id": "00:7",
            "time": "2027-01-15T08:00:00Z",
            "level": "error",
            "title": "train/loss is nan",
            "text": None,
            "reason": "nan",
            "metric": "train/loss",
            "value": "NaN",
            "step": 40,
            "data": {"last": [0.5, "Infinity"]},
        },
        "link": "http://127.0.0.1:7700/#project=digits%20%26%20more&runs=a1",
    }
    assert message.text == "train/loss is nan at step 40\nhttp://127.0.0.1:7700/#project=digits%20%26%20more&runs=a1"


def test_without_an_address_there_is_no_link():
    message = build_alert_message(msgspec.structs.replace(ROW, metric=None, step=None), None)
    assert message.body["link"] is None
    assert message.title == f"[error] {message.text}"


def test_a_message_is_never_so_large_that_a_receiver_refuses_it():
    long = msgspec.structs.replace(ROW, title="t" * 9999, text="x" * 99_999, data={"rows": ["y" * 100] * 1000})
    message = build_alert_message(long, None)
    assert message.body["alert"]["data"]["left_out_bytes"] > MAX_DATA_BYTES
    assert len(msgspec.json.encode(message.body)) < 10_000
    held = build_summary_message([msgspec.structs.replace(long, id=f"00:{n}", run=f"r{n}") for n in range(1000)], None)
    assert held.body["n"] == 1000
    assert len(msgspec.json.encode(held.body)) < 120_000
