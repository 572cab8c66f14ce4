"""What a partner has not acknowledged, by the attempts records, in whatever order they are read."""

from itertools import permutations

import pytest

from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord
from streams.operator.history.undelivered import OpenNotifications
from tests.support.history import HistoryBuilder
from tests.unit.bench import ACKNOWLEDGED, UNKNOWN, Bench
from tests.unit.kit import NOW_MS, event, read


def open_after(facts):
    """Return which notifications are open once these were read."""
    found = OpenNotifications()
    for fact in facts:
        found.add(fact)
    return {name: len(group) for name, group in found.facts.items()}


def written_by(bench):
    """Return what a worker's attempts records say."""
    return [
        read_fact("attempts", RawRecord("pn-attempts", 0, n, record.key, record.value, (), NOW_MS))
        for n, record in enumerate(bench.broker.on("pn-attempts"))
    ]


async def test_a_refused_second_event_opens_nothing_again():
    """An event id again with other bytes, as the worker writes it; another result under an id of its own stands by itself."""
    bench = Bench(ACKNOWLEDGED)
    other = {"outcome": "CANCELLED", "resultMessage": None}
    for number, members in enumerate(({}, other, other | {"eventId": "evt-2"})):
        await bench.event(read("payment-final-state", event(**members), offset=number))
    facts = written_by(bench)
    assert [fact.reason for fact in facts] == [None, *["conflicting-result"] * 2]
    assert open_after(facts) == {"evt-2": 1}


async def test_a_refused_second_event_closes_nothing():
    """The notification of the first waits on."""
    bench = Bench(UNKNOWN)
    await bench.event(read("payment-final-state", event(), offset=1))
    await bench.event(read("payment-final-state", event(resultMessage="other"), offset=2))
    assert len(written_by(bench)) == 2
    assert open_after(written_by(bench)) == {"evt-1": 1}


def life():
    """Return the records of three attempts, a park and an acknowledgement."""
    tale = HistoryBuilder().attempt(20).attempt(2000).park(4000, 1000).attempt(6000)
    return tale.attempt(9000, decision="delivered")


@pytest.mark.parametrize("old", range(1, 5))
def test_partitions_that_were_added_are_read_in_any_order(old):
    """The first records stand in another partition, which may be read after the one that has the acknowledgement."""
    facts = life().facts
    assert open_after(facts) == {}
    assert open_after(facts[old:] + facts[:old]) == {}
    assert open_after(facts[:old]) == {"evt-1": old}


def test_what_was_sent_again_is_open_until_it_is_acknowledged_again():
    """Whichever partition is read first."""
    tale = life()
    told = len(tale.facts)
    tale.replayed(20_000, "final/3/42", written=False).attempt(20_100)
    for split in range(1, told + 1):
        assert open_after(tale.facts[split:] + tale.facts[:split]) == {"evt-1": 2}
    tale.attempt(30_000, decision="delivered")
    for split in range(1, len(tale.facts)):
        assert open_after(tale.facts[split:] + tale.facts[:split]) == {}


def test_another_event_of_the_same_id_is_held_against_the_time():
    """Payment core wrote it again: what was told before is no answer to it."""
    first, again = life().facts, HistoryBuilder("final/9/9", first_offset=100).attempt(50_000).facts
    for some in permutations([first, again]):
        assert open_after([fact for group in some for fact in group]) == {"evt-1": 1}
