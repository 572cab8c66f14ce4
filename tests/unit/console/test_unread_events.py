"""Events whose schema the registry does not give when they are read: nothing of them is lost."""

import json

import pytest

from streams.mapping.mapping import EventMapping
from streams.operator.console.store import ReadModelStore
from streams.operator.history.mapped_events import EventReader
from tests.support.history import SOURCE, T0
from tests.support.mapping import ChosenRegistry, avro_bytes, avro_example, example, framed
from tests.support.topics import Topics
from tests.unit.console.test_model import dump, ingest_of


class Reading:
    """A console that reads events in Avro.

    Attributes:
        registry: fails as the test says.
        now: of the clock that says when it is asked again, seconds.
    """

    def __init__(self, path, topics, store=None):
        self.topics, self.now = topics, 0.0
        self.registry = ChosenRegistry("http://127.0.0.1:9")
        mapping = EventMapping({SOURCE: example("avro").topics["payments-avro"]}, self.registry)
        self.store = store or ReadModelStore(path, "here")
        self.ingest = ingest_of(self.store, topics)
        self.ingest.event_of = EventReader(mapping, lambda: self.now)

    async def look(self, *, first=False):
        """See what there is, and read it."""
        fresh = self.ingest.freshness
        await self.ingest._look(self.topics, first=first)
        fresh.caught_up_ms = 0
        while not fresh.caught_up_ms:
            records = await self.topics.fetch()
            positions = await self.topics.positions()
            self.ingest._put(records, positions)
            await self.ingest._catch_up(positions, got=len(records))

    def known(self):
        """Return the orders that are known."""
        rows = self.store.rows("SELECT order_id FROM notifications ORDER BY order_id")
        return [row[0] for row in rows]


@pytest.fixture
def reading_of():
    """Makes consoles whose files are closed at the end."""
    made = []

    def make(*args):
        made.append(Reading(*args))
        return made[-1]

    yield make
    for reading in made:
        reading.store.close()


@pytest.fixture
def topics():
    """Ten events in Avro, and one that no mapping makes sense of between them."""
    topics = Topics()
    for number in range(10):
        if number == 5:
            topics.write(SOURCE, "any", b"no Avro", (), T0)
        value = framed(7, avro_bytes(avro_example(order_ref=f"o-{number}")))
        topics.write(SOURCE, "any", value, (), T0 + number)
    return topics


ORDERS = [f"o-{number}" for number in range(10)]


async def test_events_are_read_again_once_the_registry_answers(reading_of, tmp_path, topics):
    """Then the model is the same as one that was never without it; until then the page says how many wait."""
    never = reading_of(tmp_path / "never", topics)
    await never.look(first=True)
    again = reading_of(tmp_path / "again", topics)
    again.registry.fault = "unreachable"
    await again.look(first=True)
    assert again.known() == []
    assert again.store.unread_events() == 10
    again.now += 31
    await again.look()
    assert again.store.unread_events() == 10  # asked, and not there yet
    again.registry.fault = None
    await again.look()
    assert again.known() == []  # it is not asked each time
    again.now += 31
    await again.look()
    assert again.known() == ORDERS
    assert again.store.unread_events() == 0
    assert dump(again.store) == dump(never.store)


async def test_a_console_that_was_started_anew_knows_what_it_has_not_read(
    reading_of, tmp_path, topics
):
    """The file has it."""
    before = reading_of(tmp_path / "file", topics)
    before.registry.fault = "refuses"
    await before.look(first=True)
    before.store.close()
    after = reading_of(tmp_path / "file", topics)
    await after.look(first=True)
    assert after.known() == ORDERS
    after.store.close()


async def test_what_kafka_deleted_meanwhile_is_not_waited_for(reading_of, tmp_path, topics):
    """Retention takes the first seven records."""
    reading = reading_of(tmp_path / "file", topics)
    reading.registry.fault = "unreachable"
    await reading.look(first=True)
    topics.begins[SOURCE, 0] = 7
    reading.store.forget({(SOURCE, 0): 7})
    assert reading.store.unread_events() == 4
    reading.registry.fault, reading.now = None, 31
    await reading.look()
    assert reading.known() == ORDERS[6:]


async def test_the_about_page_says_how_many_wait(browse, monkeypatch):
    """Beside what was read; nothing where none does."""
    monkeypatch.setattr(EventReader, "has_schema_again", lambda _: False)
    async with browse() as browser:
        _, text, _ = await browser.get("/about")
        assert "wait for their schema" not in text
        store = browser.console.read_model.store
        store.put([], {}, [(SOURCE, 0, 3)])
        _, text, _ = await browser.get("/about")
        assert "Events that wait for their schema" in text
        assert json.loads((await browser.get("/api/about"))[1])["unread_events"] == 1
