"""What a lane remembers, and whose turn it is."""

import asyncio
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kafka.consumer.deduplication import KEEP_MS, Deduplicator, Held, digest
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.bench import in_turn
from tests.unit.kit import ManualClock, turns


@pytest.fixture
def clock():
    return ManualClock()


def test_what_was_settled_is_recalled_for_ten_minutes(clock):
    """A copy after a crash comes within a rebalance; ten minutes are plenty."""
    memory = Deduplicator(clock.now_ms, 10)
    assert memory.get(b"a") is None
    memory.remember(b"a", b"1")
    clock.ms += KEEP_MS
    assert memory.get(b"a") == b"1"
    clock.ms += 1
    assert memory.get(b"a") is None


def test_the_memory_is_bounded_and_the_oldest_go_first(clock):
    """Ten thousand records leave ten behind."""
    memory = Deduplicator(clock.now_ms, 10)
    for number in range(10_000):
        memory.remember(str(number).encode(), b"")
    assert len(memory) == 10
    assert memory.get(b"9990") == b""
    assert memory.get(b"9989") is None


def test_what_is_out_of_date_goes_although_there_is_room(clock):
    """An idle lane does not keep a full memory for ever."""
    memory = Deduplicator(clock.now_ms, 10)
    memory.remember(b"a", b"")
    clock.ms += KEEP_MS + 1
    memory.remember(b"b", b"")
    assert len(memory) == 1


def test_what_is_settled_again_is_young_again(clock):
    """The later settlement counts."""
    memory = Deduplicator(clock.now_ms, 2)
    memory.remember(b"a", b"1")
    memory.remember(b"b", b"")
    memory.remember(b"a", b"2")
    memory.remember(b"c", b"")
    assert memory.get(b"a") == b"2"
    assert memory.get(b"b") is None


def test_what_is_settled_again_and_again_takes_one_place_in_the_end(clock):
    """Its earlier times go by like any other's; the key itself stays until its last one does."""
    memory = Deduplicator(clock.now_ms, 4)
    for value in (b"1", b"2", b"3"):
        memory.remember(b"a", value)
    for key in (b"b", b"c", b"d"):
        memory.remember(key, b"")
        assert memory.get(b"a") == b"3"
    assert len(memory) == 4
    memory.remember(b"e", b"")
    assert memory.get(b"a") is None
    assert len(memory) == 4


def test_what_is_settled_again_outlives_its_first_time(clock):
    """Ten minutes are reckoned from the last one, and then nothing of it is left."""
    memory = Deduplicator(clock.now_ms, 10)
    memory.remember(b"a", b"1")
    clock.ms += KEEP_MS
    memory.remember(b"a", b"2")
    clock.ms += KEEP_MS
    memory.remember(b"b", b"")
    assert memory.get(b"a") == b"2"
    clock.ms += 1
    memory.remember(b"c", b"")
    assert memory.get(b"a") is None
    assert len(memory) == 2


def test_a_key_takes_less_than_200_bytes(clock):
    """A busy worker remembers 8,192 of each of its partitions: a hundred thousand in all."""
    number = 8192
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        memory = Deduplicator(clock.now_ms, number)
        for order in range(number):
            memory.remember(digest("event", order), digest(order))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(memory) == number
    assert (after - before) / number < 200


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, KEEP_MS))), st.integers(1, 5))
@settings(deadline=None)
def test_what_is_remembered_is_the_last_that_was_settled(settled, most):
    """In whatever order, and whatever has gone: of the last settlements none is forgotten that is not too old."""
    clock = ManualClock()
    memory = Deduplicator(clock.now_ms, most)
    times = []
    for number, (key, wait) in enumerate(settled):
        clock.ms += wait
        memory.remember(key.encode(), str(number).encode())
        times.append((key, clock.ms))
        assert len(memory) <= most
        kept = {k: (n, at) for n, (k, at) in enumerate(times) if n > number - most}
        for each in "abcdef":
            last, at = kept.get(each, (None, 0))
            young = last is not None and clock.ms - at <= KEEP_MS
            assert memory.get(each.encode()) == (str(last).encode() if young else None)


async def test_who_shares_a_key_takes_turns(clock):
    """Two copies side by side in a window: the second sees what became of the first."""
    memory = Deduplicator(clock.now_ms, 10)
    log, go = [], {name: asyncio.Event() for name in "abcd"}

    async def work(name, *keys):
        async def handle():
            with memory.lock(ord(name), *keys):
                log.append(f"{name} begins")
                await go[name].wait()
                log.append(f"{name} ends")

        await in_turn(handle)

    tasks = [
        asyncio.create_task(work("a", b"1", b"2")),
        asyncio.create_task(work("b", b"2", b"3")),
        asyncio.create_task(work("c", b"3")),
        asyncio.create_task(work("d", b"1")),
    ]
    await turns()
    assert log == ["a begins"]
    go["a"].set()
    await turns()
    assert log[1:] == ["a ends", "d begins", "b begins"]
    for event in go.values():
        event.set()
    await asyncio.gather(*tasks)
    assert log.index("b ends") < log.index("c begins")


async def test_a_turn_ends_with_its_body_however_that_ends(clock):
    """A handler that is cancelled in a drain leaves nobody waiting."""
    memory = Deduplicator(clock.now_ms, 10)

    async def broken():
        with memory.lock(1, b"1"):
            message = "broken"
            raise ValueError(message)

    with pytest.raises(ValueError, match=r"^broken$"):
        await broken()
    with memory.lock(2, b"1"):
        pass


def test_who_comes_back_with_other_keys_has_another_place(clock):
    """The mapping of its event has changed meanwhile: nobody waits behind the place that it had."""
    memory = Deduplicator(clock.now_ms, 10)
    with memory.lock(1, b"a"):
        with pytest.raises(Held), memory.lock(2, b"a", b"b"):
            pass
        with pytest.raises(Held), memory.lock(3, b"b"):  # behind 2, which came first
            pass
        with memory.lock(2, b"c"), memory.lock(3, b"b"):
            pass
    assert not memory._lines
    assert not memory._waiting


def test_digests_tell_lists_of_parts_apart():
    """`ab` and `c` are not `a` and `bc`."""
    keys = {
        digest("ab", "c"),
        digest("a", "bc"),
        digest("abc"),
        digest("a", "b", "c"),
        digest(b"ab\0", "c"),
        digest("copy", "n", 1, 11),
        digest("copy", "n", 11, 1),
    }
    assert len(keys) == 7


async def test_who_was_cancelled_while_waiting_holds_nothing(clock):
    """A drain cancels in any order; the next lane user of the key goes on."""
    memory, entered = Deduplicator(clock.now_ms, 10), []

    async def work(name):
        async def handle():
            with memory.lock(ord(name), b"1", b"2"):
                entered.append(name)
                await asyncio.Event().wait()

        await in_turn(handle)

    first, second, third = (asyncio.create_task(work(name)) for name in "abc")
    await turns()
    second.cancel()
    await turns()
    assert entered == ["a"]
    first.cancel()
    await turns()
    assert entered == ["a", "c"]
    third.cancel()
    await asyncio.wait([first, second, third])
    assert not memory._lines
    assert not memory._waiting


holds = st.lists(
    st.tuples(st.frozensets(st.sampled_from("abcde"), min_size=1), st.integers(0, 5)), max_size=12
)


@given(holds, st.sets(st.integers(0, 11)), st.integers(0, 20))
@settings(deadline=None)
def test_no_interleaving_shares_a_key_or_gets_stuck(held, cancelled, after):
    """However many keys each holds, however long, and whoever is cancelled when."""
    memory, done = Deduplicator(lambda: 0, 10), []
    begun: list[int] = []
    holding: set[str] = set()

    async def work(number, keys, long):
        async def handle():
            with memory.lock(number, *(key.encode() for key in sorted(keys))):
                assert not holding & keys
                holding.update(keys)
                assert not any(keys & held[before][0] for before in begun if before > number)
                begun.append(number)
                try:
                    await turns(long)
                finally:
                    holding.difference_update(keys)

        await in_turn(handle)
        done.append(number)

    async def run():
        tasks = [asyncio.create_task(work(n, keys, long)) for n, (keys, long) in enumerate(held)]
        await turns(after)
        stopped = {n for n in cancelled if n < len(tasks) and tasks[n].cancel()}
        async with asyncio.timeout(TIMEOUT_SECONDS):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(r is None or isinstance(r, asyncio.CancelledError) for r in results), results
        assert set(done) >= set(range(len(tasks))) - stopped
        assert not memory._lines
        assert not memory._waiting

    asyncio.run(run())


parts = st.lists(st.binary(max_size=6), max_size=5)


@given(parts, parts)
@settings(deadline=None)
def test_no_two_lists_of_parts_share_a_digest(one, other):
    """Where one part ends and the next begins is part of the key."""
    assert (digest(*one) == digest(*other)) == (one == other)


@given(parts.filter(len), st.data())
@settings(deadline=None)
def test_a_part_cut_in_two_is_another_key(whole, data):
    """The bytes in a row are the same, the parts are not."""
    which = data.draw(st.integers(0, len(whole) - 1))
    at = data.draw(st.integers(0, len(whole[which])))
    cut = [*whole[:which], whole[which][:at], whole[which][at:], *whole[which + 1 :]]
    assert digest(*cut) != digest(*whole)
