"""What a consumer asks of a broker, and its answers: `streams.kafka.patches`."""

import asyncio

import pytest
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11
from aiokafka.protocol.struct import Struct
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.format.batches import NotGiven
from streams.kafka.patches.fetch_encoding import FetchAnswer, encode
from streams.kafka.patches.paced_fetches import PacedFetches
from tests.unit.webhook.virtual_time import in_virtual_time

i16, i32, i64 = (st.integers(-(2**bits), 2**bits - 1) for bits in (15, 31, 63))
# Those stand for records that can't be given, or are told as others.
codes = i16.filter(lambda code: code not in {-1, 2, 5, 9, 56})
partitions = st.tuples(
    i32, codes, i64, i64, i64,
    st.none() | st.lists(st.tuples(i64, i64), max_size=3),
    i32,
    st.none() | st.binary(max_size=50),
)  # fmt: skip
topics = st.tuples(st.text(max_size=20), st.lists(partitions, max_size=4))
answers = st.builds(FetchResponse_v11, i32, i16, i32, st.lists(topics, max_size=4))

wanted = st.tuples(st.text(max_size=20), st.lists(st.tuples(i32, i32, i64, i64, i32), max_size=4))
forgotten = st.tuples(st.text(max_size=20), st.lists(i32, max_size=3))
requests = st.builds(
    FetchRequest_v11, i32, i32, i32, i32, st.integers(-128, 127), i32, i32,
    st.lists(wanted, max_size=4),
    st.lists(forgotten, max_size=3),
    st.text(max_size=20),
)  # fmt: skip


@given(requests)
def test_it_asks_what_aiokafka_asks(request_):
    """Byte for byte what its own encoder makes."""
    assert encode(request_) == Struct.encode(request_)


def test_every_consumer_asks_so():
    """Once aiokafka was patched, as it is for all tests, its fetcher goes the short way."""
    assert FetchRequest_v11.encode is encode
    assert FetchRequest_v11.RESPONSE_TYPE is FetchAnswer


@given(answers)
def test_it_reads_what_aiokafka_reads(answer):
    """Its own decoder is the measure."""
    raw = answer.encode()
    ours, theirs = FetchAnswer.decode(raw), FetchResponse_v11.decode(raw)
    assert ours == theirs
    assert ours.topics == theirs.topics


@pytest.mark.parametrize("code", [-1, 2])
def test_an_error_instead_of_records_becomes_records_that_cannot_be_read(code):
    """aiokafka would ask for them again at once, for ever."""
    parts = [(0, code, -1, -1, -1, None, -1, None), (1, 6, -1, -1, -1, None, -1, None)]
    raw = FetchResponse_v11(0, 0, 0, [("t", parts)]).encode()
    ((_, (damaged, moved)),) = FetchAnswer.decode(raw).topics
    assert damaged[1] == 0
    assert isinstance(damaged[-1], NotGiven)
    assert str(code) in damaged[-1].decode()
    assert moved[1] == 6


@pytest.mark.parametrize("code", [5, 9, 56])
def test_a_broker_that_has_lost_a_partition_is_asked_no_more(code):
    """aiokafka would look who leads it in five minutes only: it is told that another does, for which it looks at once."""
    parts = [(0, code, -1, -1, -1, None, -1, None)]
    raw = FetchResponse_v11(0, 0, 0, [("t", parts)]).encode()
    ((_, (moved,)),) = FetchAnswer.decode(raw).topics
    assert moved[1] == NotLeaderForPartitionError.errno


@given(answers, st.data())
def test_a_cut_answer_is_refused_as_aiokafka_does(answer, data):
    """With the exception on which its connection closes."""
    raw = answer.encode()
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    with pytest.raises(ValueError, match="can't be read"):
        FetchAnswer.decode(cut)


class Broker:
    """Answers each fetch after a while, and notes when it came."""

    def __init__(self, takes=0.0) -> None:
        self.takes, self.loop = takes, asyncio.get_running_loop()
        self.came: list[float] = []

    async def fetch(self, _assignment, _node_id, _request) -> bool:
        self.came.append(round(self.loop.time(), 3))
        await asyncio.sleep(self.takes)
        return True


@in_virtual_time
async def test_fetches_keep_their_distance():
    """One after the other, and no further apart than asked; the first comes at once, and one that took long is enough."""
    broker = Broker()
    began = broker.loop.time()
    fetch = PacedFetches(broker.fetch, 0.1)
    for _ in range(3):
        assert await fetch(None, 1, None)
    await asyncio.sleep(5)
    assert await fetch(None, 1, None)
    assert [round(at - began, 3) for at in broker.came] == [0.0, 0.1, 0.2, 5.2]


@in_virtual_time
async def test_each_broker_has_its_own_pace():
    """A second one does not wait for the first."""
    broker = Broker()
    fetch = PacedFetches(broker.fetch, 0.1)
    await asyncio.gather(*(fetch(None, node, None) for node in (1, 2)))
    assert broker.came[0] == broker.came[1]


@in_virtual_time
async def test_a_fetch_that_is_cancelled_brought_nothing():
    """As aiokafka's own says: its routine asks every task for its result."""
    broker = Broker()
    fetch = PacedFetches(broker.fetch, 0.1)
    await fetch(None, 1, None)
    waiting = asyncio.create_task(fetch(None, 1, None))
    await asyncio.sleep(0.05)
    waiting.cancel()
    assert await waiting is False
    assert len(broker.came) == 1
