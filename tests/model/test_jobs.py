"""Jobs: any order of what is observed ends the same, nothing leaves a final state, and the projection is the plain reading."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tasuki.records import (
    JOBS_PROJECT,
    Job,
    JobCreated,
    JobDeleted,
    JobStatus,
    Observation,
    ProviderHealth,
    apply_observation,
    encode,
    encode_frame,
    job_from_created,
)
from tasuki.store import connect_projection, dump
from tasuki.testing.reference_store.memory_store import MemoryStore
from tasuki.testing.reference_store.received_streams import ReceivedStream
from tests.model.strategies import times
from tests.model.test_projection import WRITERS, project_in_pieces

CREATED = JobCreated(time=1, job="j", provider="replicate", account="acme")
FINAL = [status for status in JobStatus if status.is_final]
NEWS = {
    "raw_status": st.none() | st.sampled_from(["starting", "odd"]),
    "external_id": st.none() | st.just("x1"),
    "started": st.none() | st.integers(5, 8),
    "ended": st.none() | st.integers(3, 9),
    "cost_usd": st.none() | st.sampled_from([0.0, 0.5, float("nan")]),
    "error_message": st.none() | st.just("why"),
}
any_observations = st.builds(
    Observation,
    time=times,
    job=st.just("j"),
    attempt=st.integers(1, 3),
    status=st.none() | st.sampled_from(JobStatus),
    cost_is_final=st.booleans(),
    cancel_requested=st.booleans(),
    candidates=st.none() | st.just(["a", "b"]),
    metadata=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 3), max_size=1),
    **NEWS,
)


@st.composite
def lives(draw: st.DrawFn) -> list[Observation]:
    """What can be seen of one attempt: it goes up, and ends in one way."""
    end = draw(st.sampled_from(FINAL))
    ranks = draw(st.lists(st.sampled_from([status for status in JobStatus if status.is_active]), unique=True))
    way = [*sorted(ranks, key=lambda status: status.rank), end]
    started, ended = draw(st.none() | st.integers(5, 8)), draw(st.integers(3, 9))
    return [
        Observation(
            time=10 + n,
            status=status,
            raw_status=f"word for {status}",
            external_id="x1",
            started=started if status.rank >= JobStatus.RUNNING.rank else None,
            ended=ended if status.is_final else None,
            cost_usd=0.5 if status.is_final else None,
            cost_is_final=status.is_final,
        )
        for n, status in enumerate(way)
    ]


def after(observations: list[Observation]) -> Job:
    job = job_from_created(CREATED, CREATED.time)
    for seen in observations:
        job, _ = apply_observation(job, seen)
    return job


@given(lives(), st.data())
def test_any_order_and_repetition_of_what_is_observed_ends_in_the_same_state(life, data):
    several = data.draw(st.lists(st.sampled_from(life), max_size=6)) + life
    shuffled = data.draw(st.permutations(several))
    assert msgspec.structs.replace(after(shuffled), updated=0) == msgspec.structs.replace(after(life), updated=0)


@given(st.lists(any_observations, max_size=12))
def test_no_sequence_leaves_a_final_state_or_goes_back_within_an_attempt(observations):
    job = job_from_created(CREATED, CREATED.time)
    for seen in observations:
        later, changes = apply_observation(job, seen)
        assert later.attempt >= job.attempt
        if later.attempt == job.attempt:
            assert later.status is job.status or (not job.status.is_final and later.status.rank > job.status.rank)
            assert job.cost_usd is None or later.cost_usd is not None
        changed = (job.status, job.attempt) != (later.status, later.attempt)
        assert [change.status_changed for change in changes] == ([] if later == job else [changed])
        assert apply_observation(later, seen) == (later, ())  # the same once more changes nothing
        job = later


job_records = st.one_of(
    st.builds(
        JobCreated, time=times, job=st.sampled_from("jk"), provider=st.just("replicate"), external_id=st.none() | st.just("x2")
    ),
    any_observations,
    st.builds(JobDeleted, time=times, job=st.just("k")),
    st.builds(ProviderHealth, time=times, provider=st.just("replicate"), degraded=st.booleans(), detail=st.sampled_from("ab")),
)


@given(st.lists(st.lists(job_records, min_size=1, max_size=8), min_size=1, max_size=3), st.data())
def test_any_interleaving_of_journals_of_jobs_says_what_the_plain_reading_says(written, data):
    store = MemoryStore()
    for writer, records in zip(WRITERS, written, strict=False):
        store.received[writer] = ReceivedStream(JOBS_PROJECT, "")
        store.received[writer].data = b"".join(encode_frame(encode(record)) for record in records)
    db = connect_projection(":memory:")
    project_in_pieces(db, store, data)
    assert dump(db) == store.dump()
