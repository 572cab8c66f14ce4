"""Where records with a key may stand, whatever the number of partitions was when they were written."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.reader.partitioning import STALE_MS, partition_of, where_written

_KEYS = st.binary(min_size=1, max_size=30)


@given(_KEYS, st.integers(1, 200))
def test_a_key_goes_where_our_producer_puts_it(key, count):
    """The same as aiokafka's own partitioner says, which is Java's."""
    numbers = list(range(count))
    assert partition_of(key, count) == DefaultPartitioner()(key, numbers, numbers)


def test_a_key_goes_where_java_puts_it():
    """The hashes that Kafka's own test of murmur2 expects (UtilsTest.testMurmur2)."""
    expected = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    for key, number in expected.items():
        assert partition_of(key, 1 << 31) == number & 0x7FFFFFFF


_HISTORY = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 3 * STALE_MS)), min_size=1, max_size=5
)


@given(_KEYS, _HISTORY, st.integers(0, STALE_MS), st.data())
def test_no_record_of_a_key_stands_elsewhere(key, growth, stale_ms, data):
    """Whenever partitions were added, and although a writer noticed late: where the key's records stand, they are looked for."""
    sizes = sorted({size for size, _ in growth})
    times = sorted({0, *(at_ms for _, at_ms in growth)})[: len(sizes)]
    sizes = sizes[: len(times)]

    def size_at(at_ms):
        return max(size for size, since in zip(sizes, times, strict=True) if since <= max(0, at_ms))

    last_ms = times[-1] + 2 * STALE_MS
    first_ms: list[int | None] = [None] * sizes[-1]
    written = []
    for _ in range(data.draw(st.integers(0, 20))):
        at_ms = data.draw(st.integers(0, last_ms))
        seen = size_at(at_ms - data.draw(st.integers(0, stale_ms)))
        mine = data.draw(st.booleans())
        partition = partition_of(key, seen) if mine else data.draw(st.integers(0, seen - 1))
        before = first_ms[partition]
        first_ms[partition] = at_ms if before is None else min(before, at_ms)
        if mine:
            written.append((partition, at_ms))
    found = where_written(key, first_ms)
    assert found[partition_of(key, sizes[-1])] is None
    for partition, at_ms in written:
        until_ms = found.get(partition, -1)
        assert until_ms is None or at_ms <= until_ms


def test_little_is_read_of_a_topic_that_never_had_fewer_partitions():
    """Every partition has records from its first hour: none but the key's own is read for longer than that."""
    hour_ms, now_ms = 3_600_000, 30 * 86_400_000
    first_ms = [number * hour_ms // 50 for number in range(50)]
    found = where_written(b"order-1", first_ms)
    assert [partition for partition, until_ms in found.items() if until_ms is None] == [
        partition_of(b"order-1", 50)
    ]
    assert (
        max(until_ms for until_ms in found.values() if until_ms is not None) <= hour_ms + STALE_MS
    )
    assert now_ms > hour_ms + STALE_MS


def test_where_nothing_tells_all_is_read():
    """An empty partition says nothing about when it came: the smaller numbers have no end."""
    assert set(where_written(b"k", [5, None, None]).values()) == {None}
    assert where_written(b"k", [5]) == {0: None}
