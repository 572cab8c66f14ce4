"""A broker's answers to fetches: `streams.kafka.fetch_answers`."""

import pytest
from aiokafka.protocol.fetch import FetchResponse_v11
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.fetch_answers import FetchAnswer

i16, i32, i64 = (st.integers(-(2**bits), 2**bits - 1) for bits in (15, 31, 63))
partitions = st.tuples(
    i32, i16, i64, i64, i64,
    st.none() | st.lists(st.tuples(i64, i64), max_size=3),
    i32,
    st.none() | st.binary(max_size=50),
)  # fmt: skip
topics = st.tuples(st.text(max_size=20), st.lists(partitions, max_size=4))
answers = st.builds(FetchResponse_v11, i32, i16, i32, st.lists(topics, max_size=4))


@given(answers)
def test_it_reads_what_aiokafka_reads(answer):
    """Its own decoder is the measure."""
    raw = answer.encode()
    ours, theirs = FetchAnswer.decode(raw), FetchResponse_v11.decode(raw)
    assert ours == theirs
    assert ours.topics == theirs.topics


@given(answers, st.data())
def test_a_cut_answer_is_refused_as_aiokafka_does(answer, data):
    """With the exception on which its connection closes."""
    raw = answer.encode()
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    with pytest.raises(ValueError, match="can't be read"):
        FetchAnswer.decode(cut)
