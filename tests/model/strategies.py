"""Records and streams for Hypothesis: few names, few steps, few microseconds, so that everything collides with everything."""

from hypothesis import strategies as st

from tasuki.records import (
    Alert,
    AlertLevel,
    Correction,
    DeliveryIds,
    Event,
    File,
    Heartbeat,
    Lesson,
    LostCalls,
    Manifest,
    MetaRule,
    Metrics,
    RunDeleted,
    RunProgress,
    RunStarted,
    RunStatus,
    RunText,
    RunUpdated,
    SalvagedStream,
    Status,
    StopRequested,
    encode,
)

times = st.integers(0, 12)
names = st.sampled_from(["loss", "acc", "a/b"])
numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 0.1, float("nan"), float("inf"), -float("inf"), 3, True, 2**60]),
    st.floats(width=32),
)
values = st.dictionaries(
    st.one_of(names, st.just("a")),
    st.one_of(numbers, st.dictionaries(st.just("b"), numbers, max_size=1), st.just("text")),
    max_size=3,
)
texts = st.sampled_from(["x", "y", "é"])
attempts = st.sampled_from(["one", "two"])
configs = st.dictionaries(st.sampled_from(["lr", "seed"]), st.one_of(numbers, texts), max_size=2)
tags = st.lists(st.sampled_from(["base", "best"]), max_size=2, unique=True)

event_ids = st.sampled_from(["e1", "e2"])
sessions = st.none() | st.integers(1, 2)
notes = st.one_of(
    st.builds(Correction, time=times, event_id=event_ids, session=sessions, draft=texts, final=texts, context=st.none() | configs),
    st.builds(Lesson, time=times, event_id=event_ids, session=sessions, text=texts, confidence=st.none() | st.just(0.5)),
    st.builds(Event, time=times, event_id=event_ids, name=texts, data=st.none() | configs),
    st.builds(MetaRule, time=times, event_id=event_ids, more=configs),
    st.builds(Manifest, time=times, event_id=event_ids, more=configs),
)
files = st.builds(
    File,
    time=times,
    path=st.none() | st.sampled_from(["a.png", "b.txt"]),
    key=st.none() | names,
    step=st.none() | st.integers(0, 5),
    form=st.none() | st.sampled_from(["image", "text"]),
    sha256=st.none() | st.sampled_from(["0" * 64, "1" * 64]),
    size=st.none() | st.integers(0, 9),
    content=st.none() | st.just("content"),
)
records = st.one_of(
    notes,
    files,
    st.builds(DeliveryIds, time=times, ids=st.just("0f" * 16)),
    st.builds(Metrics, time=times, step=st.integers(0, 5), values=values),
    st.builds(Metrics, time=times, step=st.integers(0, 5), values=values),
    st.builds(RunStarted, time=times, attempt=attempts, name=st.none() | texts, config=configs, tags=tags),
    st.builds(RunUpdated, time=times, name=st.none() | texts, config=configs, tags_added=tags, tags_removed=tags),
    st.builds(RunStatus, time=times, attempt=attempts, status=st.sampled_from(Status), reason=st.none() | texts),
    st.builds(StopRequested, time=times, attempt=attempts, reason=st.none() | texts, by=st.none() | texts),
    st.builds(RunText, time=times, attempt=attempts, name=texts, text=texts),
    st.builds(RunProgress, time=times, attempt=attempts, done=st.integers(0, 5), total=st.none() | st.just(9)),
    st.builds(Alert, time=times, title=texts, level=st.sampled_from(AlertLevel), data=st.none() | configs),
    st.builds(Heartbeat, time=times),
    st.builds(LostCalls, time=times, n=st.integers(1, 3), since=times, until=times),
    st.builds(SalvagedStream, time=times, writer=st.just("f" * 32), hole=st.integers(0, 9), offset=st.integers(0, 9)),
)
odd_payloads = st.sampled_from(
    [
        b"\x93\xa7metrics\x01",  # cut short within the frame
        b"\x94\xa7metrics\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x81\xa1x\x01",  # a step of more than 64 bits
        b"\x93\xa6future\x05\x07",  # a kind of a later version
        b"\xc3",  # no record at all
    ]
)
deletions = st.builds(RunDeleted, time=times).map(encode)
payloads = st.one_of(records.map(encode), records.map(encode), records.map(encode), odd_payloads)
