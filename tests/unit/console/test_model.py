"""The read model: built from the topics, the same however they are read, and what it adds up to."""

import asyncio
import shutil
import sqlite3
from contextlib import suppress

import pytest

from streams.kafka.committed_state import CommittedState
from streams.kafka.format.facts import topic_kinds
from streams.operator.console import ingest as ingest_module
from streams.operator.console.ingest import Ingest
from streams.operator.console.reconcile import reconcile
from streams.operator.console.store import ReadModelStore
from tests.support.history import NAMES, SOURCE, T0
from tests.support.topics import Payment, Topics
from tests.support.waiting import eventually

KINDS = topic_kinds(NAMES, (SOURCE,))
ATTEMPTS = (NAMES.attempts, 0)


def ingest_of(store, topics, now_ms=T0 + 600_000):
    return Ingest(store, lambda: topics, KINDS, ("g", "g-retry"), NAMES.attempts, lambda: now_ms)


async def read(topics, path, store=None):
    """Read all that stands on the topics into a store, and return it with what read it."""
    store = store or ReadModelStore(path, "here")
    ingest = ingest_of(store, topics)
    async with topics:
        await ingest._look(topics, first=True)
        while not ingest.freshness.caught_up_ms:
            records = await topics.fetch()
            positions = await topics.positions()
            ingest._put(records, positions)
            await ingest._catch_up(positions, got=len(records))
    return store, ingest


def dump(store):
    """Return everything that the pages are made of."""
    tables = ("facts", "notifications", "attempts", "dead_letters", "units", "rests", "partners")
    return {
        table: sorted(map(repr, map(tuple, store.rows(f"SELECT * FROM {table}"))))  # noqa: S608  # of this file
        for table in tables
    }


def stories(topics):
    Payment(topics, "told").unanswered(10).delivered(306_000)
    Payment(topics, "refused").refused(20)
    Payment(topics, "back").refused(30).put_back(1000).delivered(1100)
    Payment(topics, "back-again").refused(30).put_back(1000, "r-2").refused(1100)
    Payment(topics, "parked").parked(40).unanswered(400_000)
    Payment(topics, "waiting").unanswered(50)
    Payment(topics, "fresh")
    topics.write(SOURCE, None, b"[", (), T0)


async def test_the_model_does_not_depend_on_the_order_of_reading(tmp_path):
    """However the partitions take turns and however large the batches are, the tables are the same."""
    seen = []
    for number, most in enumerate((1, 2, 7, 1000)):
        topics = Topics()
        stories(topics)
        topics.most = most
        for _ in range(number):
            next(topics._turn)
        store, _ = await read(topics, tmp_path / f"{number}.sqlite")
        seen.append(dump(store))
        store.close()
    assert all(one == seen[0] for one in seen)
    assert len(seen[0]["notifications"]) == 7


def counted(store):
    """Return what is kept in `open_counts`, and what counting brings."""
    kept = {
        (what, name): count
        for what, name, count in store.rows("SELECT * FROM open_counts WHERE count <> 0")
    }
    found = {
        (what, name): count
        for what, column, only in (
            ("tier", "rests_on", "1"),
            ("tier parked", "rests_on", "status = 'parked'"),
            ("partner", "partner_id", "1"),
            ("partner parked", "partner_id", "status = 'parked'"),
        )
        for name, count in store.rows(
            f"SELECT coalesce({column}, ''), count(*) FROM notifications WHERE NOT ended AND {only} GROUP BY 1"  # noqa: S608  # of this file
        )
    }
    ((letters,),) = map(tuple, store.rows("SELECT count(*) FROM dead_letters WHERE open"))
    return kept, found | ({("dead letters", ""): letters} if letters else {})


async def test_what_is_counted_as_it_comes_is_what_there_is(tmp_path):
    """By tier, by partner, parked ones, dead letters: in one go, record by record, read twice, and what was deleted."""
    for most in (1, 1000):
        topics = Topics()
        stories(topics)
        Payment(topics, "aside").parked(40)
        topics.most = most
        store, ingest = await read(topics, tmp_path / f"{most}.sqlite")
        kept, found = counted(store)
        assert kept == found
        assert {what for what, _ in kept} == {
            "tier",
            "tier parked",
            "partner",
            "partner parked",
            "dead letters",
        }
        for records in topics.records.values():
            ingest._put(records, {})
        while store.fold():
            pass
        assert counted(store) == (found, found)
        store.forget(dict.fromkeys(topics.records, 10**6))
        while store.fold():
            pass
        assert counted(store) == ({}, {})
        store.close()


async def test_what_was_sent_again_in_vain_is_an_open_dead_letter(tmp_path):
    """Only a delivery of the same round or a later one closes it, not the one before it was sent again."""
    topics = Topics()
    told = Payment(topics, "told").delivered(100)
    told.replayed(1000, told.rests.header).refused(1100)
    Payment(topics, "back").refused(100).put_back(1000).delivered(1100)
    store, _ = await read(topics, tmp_path / "model.sqlite")
    assert [tuple(row) for row in store.rows("SELECT order_id FROM dead_letters WHERE open")] == [
        ("told",)
    ]
    store.close()


async def test_records_read_twice_change_nothing(tmp_path):
    """A console that was killed between two batches reads some records again."""
    topics = Topics()
    stories(topics)
    store, ingest = await read(topics, tmp_path / "model.sqlite")
    before = dump(store)
    for records in topics.records.values():
        ingest._put(records, {})
    while store.fold():
        pass
    assert dump(store) == before
    store.close()


async def test_a_restart_goes_on_where_it_stopped(tmp_path):
    """The file is kept; only what is new is read."""
    topics = Topics()
    Payment(topics, "one").delivered(10)
    store, _ = await read(topics, tmp_path / "model.sqlite")
    store.close()
    Payment(topics, "two").delivered(10)
    again = ReadModelStore(tmp_path / "model.sqlite", "here")
    assert again.anew is None
    store, _ = await read(topics, None, again)
    assert {row["order_id"] for row in store.rows("SELECT order_id FROM notifications")} == {
        "one",
        "two",
    }
    fresh = ReadModelStore(tmp_path / "fresh.sqlite", "here")
    assert dump(store) == dump((await read(topics, None, fresh))[0])
    store.close()
    fresh.close()


@pytest.mark.parametrize("happens", ["deleted", "folder deleted", "replaced", "damaged"])
async def test_a_file_that_is_lost_while_it_is_used_is_made_anew(tmp_path, monkeypatch, happens):
    """By hand, as the page about the console allows, or by what cleans /tmp: within seconds, without a restart."""
    for name in ("_LOOK_SECONDS", "_AGAIN_SECONDS"):
        monkeypatch.setattr(ingest_module, name, 0.01)
    topics = Topics()
    stories(topics)
    path = tmp_path / "folder/model.sqlite"
    path.parent.mkdir()
    store, ingest = await read(topics, path)
    whole, rubbish = dump(store), None
    if happens == "deleted":
        path.unlink()
    elif happens == "folder deleted":
        shutil.rmtree(path.parent)
    elif happens == "replaced":
        path.with_name("other").write_bytes(b"")
        path.with_name("other").replace(path)
    else:
        rubbish = sqlite3.connect(tmp_path / "rubbish", check_same_thread=False)
        (tmp_path / "rubbish").write_bytes(b"rubbish" * 1000)
        put, broken = ReadModelStore.put, [rubbish]

        def damaged(one, *args):
            if one is store and broken:
                broken.pop().execute("SELECT * FROM sqlite_master")
            put(one, *args)

        monkeypatch.setattr(ReadModelStore, "put", damaged)
    Payment(topics, "later").delivered(10)
    other, _ = await read(topics, tmp_path / "fresh.sqlite")
    fresh = dump(other)
    other.close()
    assert fresh != whole
    running = asyncio.create_task(ingest.run())

    async def is_whole():
        with suppress(sqlite3.Error):  # between the loss and the next look
            return dump(store) == fresh

    try:
        await eventually(is_whole, what="the model made anew", every_seconds=0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])
        store.close()
        if rubbish is not None:
            rubbish.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (path.parent.stat().st_mode & 0o077 == 0) or happens != "folder deleted"


def test_a_file_that_is_not_ours_is_made_anew(tmp_path):
    """Another version, another installation, rubbish: none of them is kept, and the reason is known."""
    path = tmp_path / "model.sqlite"
    store = ReadModelStore(path, "here")
    assert store.anew == "it was not there"
    store.close()
    other = ReadModelStore(path, "elsewhere")
    assert other.anew == "it is of other brokers or topics, or another NOTIFIER_CONSOLE_KEEP"
    other.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = '0' WHERE name = 'schema'")
    connection.commit()
    connection.close()
    old = ReadModelStore(path, "elsewhere")
    assert old.anew == "it has version 0, expected 6"
    old.close()
    path.write_bytes(b"rubbish" * 1000)
    broken = ReadModelStore(path, "elsewhere")
    assert "could not be read" in (broken.anew or "")
    assert broken.rows("SELECT * FROM facts") == []
    broken.close()


async def test_topics_made_anew_make_the_model_anew(tmp_path):
    """Where less stands on a topic than was read, it is another one."""
    topics = Topics()
    stories(topics)
    store, _ = await read(topics, tmp_path / "model.sqlite")
    topics = Topics()
    Payment(topics, "new").delivered(10)
    await read(topics, None, store)
    assert [row["order_id"] for row in store.rows("SELECT order_id FROM notifications")] == ["new"]
    store.close()


async def test_what_kafka_deleted_is_forgotten(tmp_path):
    """The model says what a new one would say of what is left."""
    topics = Topics()
    stories(topics)
    store, _ = await read(topics, tmp_path / "model.sqlite")
    topics.begins = {tag: len(there) // 2 for tag, there in topics.records.items()}
    store.forget(topics.begins)
    while store.fold():
        pass
    fresh, _ = await read(topics, tmp_path / "fresh.sqlite")
    left, new = dump(store), dump(fresh)
    for table in ("facts", "notifications", "attempts", "dead_letters", "rests"):
        assert left[table] == new[table], table
    store.close()
    fresh.close()


async def made(topics, tmp_path):
    store, _ = await read(topics, tmp_path / "model.sqlite")
    try:
        return reconcile(store, topics.done, {ATTEMPTS: topics.begins[ATTEMPTS]}, T0)
    finally:
        store.close()


async def test_the_sum_comes_out(tmp_path):
    """Accepted is ended plus waiting: delivered, refused, put back, parked, waiting; what arrives is no part of it."""
    topics = Topics()
    stories(topics)
    found = await made(topics, tmp_path)
    assert found.difference == 0
    assert (found.accepted, found.ended, found.waiting) == (8, 6, 2)
    assert found.arriving == 2  # `fresh`, and what is no JSON
    assert found.missing == ()


async def test_a_lost_tier_record_is_missed(tmp_path):
    """The group says that it is done with a record of which nothing followed."""
    topics = Topics()
    pay = Payment(topics, "lost").unanswered(10)
    topics.settle(pay.rests)
    found = await made(topics, tmp_path)
    assert (found.difference, found.missing) == (1, (pay.origin,))


async def test_a_lost_event_is_missed(tmp_path):
    """An event was read and left no trace, between others that did."""
    topics = Topics()
    Payment(topics, "before").delivered(10)
    lost = Payment(topics, "lost")
    Payment(topics, "after").delivered(10)
    found = await made(topics, tmp_path)
    assert (found.difference, found.missing) == (1, (lost.origin,))


async def test_a_replay_that_is_lost_is_missed(tmp_path):
    """A dead letter that was put back is a new arrival: it must end or wait like the first one."""
    topics = Topics()
    pay = Payment(topics, "first").refused(10).put_back(100, "r-1").delivered(110)
    again = Payment(topics, "again").refused(10).put_back(100, "r-1")
    topics.settle(again.rests)
    found = await made(topics, tmp_path)
    assert found.difference == 1
    assert found.missing == (again.rests.header,)
    assert pay.rests.header not in found.missing


async def test_what_is_finished_above_the_offset_counts(tmp_path):
    """A worker ends records out of order, and says so beside the committed offset."""
    topics = Topics()
    slow = Payment(topics, "slow")
    Payment(topics, "quick").delivered(10)
    topics.done[SOURCE, 0] = CommittedState(0, frozenset({1}))
    found = await made(topics, tmp_path)
    assert (found.accepted, found.ended, found.arriving) == (1, 1, 1)
    assert found.difference == 0
    assert slow.order_id == "slow"


async def test_history_that_was_never_accepted_is_not_missed(tmp_path):
    """A group that began in the middle of its topic has not lost what stood before."""
    topics = Topics()
    Payment(topics, "old")
    Payment(topics, "new").delivered(10)
    found = await made(topics, tmp_path)
    assert (found.accepted, found.difference) == (1, 0)


async def test_what_the_attempts_topic_has_forgotten_is_not_missed(tmp_path):
    """Retention took the end of an old payment; only arrivals of which all is known are counted."""
    topics = Topics()
    Payment(topics, "old").delivered(10)
    Payment(topics, "mid").delivered(10)
    Payment(topics, "new", at=50_000).delivered(60_000)
    topics.begins[ATTEMPTS] = 1
    found = await made(topics, tmp_path)
    assert found.since_ms == T0 + 50
    assert (found.accepted, found.difference) == (1, 0)


async def test_a_second_copy_ends_once(tmp_path):
    """An event that came twice is absorbed; that ends the copy, and the first one goes on."""
    topics = Topics()
    pay = Payment(topics, "one").unanswered(10)
    copy = topics.write(SOURCE, "one", topics.records[SOURCE, 0][0].value, (), T0 + 5)
    origin, pay.origin = pay.origin, copy.header
    pay.record(kind="decision", at_ms=T0 + 6, decision="absorbed", trigger="event", attempt=None)
    topics.settle(copy)
    found = await made(topics, tmp_path)
    assert (found.accepted, found.ended, found.waiting, found.difference) == (2, 1, 1, 0)
    assert origin == f"{SOURCE}/0/0"


async def test_no_body_and_no_customer_data_is_kept(tmp_path):
    """Neither an event's members nor a dead letter's body reach the file."""
    topics = Topics()
    stories(topics)
    written = b"".join(record.value or b"" for there in topics.records.values() for record in there)
    assert b"CANARY" in written
    store, _ = await read(topics, tmp_path / "model.sqlite")
    store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"evt-told" in kept
    assert b"CANARY" not in kept


async def test_a_number_of_any_size_stops_nothing(tmp_path):
    """JSON knows numbers that SQLite does not; such a record is kept as unreadable, and the next one is read."""
    topics = Topics()
    huge = Payment(topics, "huge")
    huge.record(kind="attempt", at_ms=T0, decision="delivered", lateness_ms=10**40)
    Payment(topics, "next").delivered(10)
    store, _ = await read(topics, tmp_path / "model.sqlite")
    assert {row["status"] for row in store.rows("SELECT status FROM notifications")} == {
        "accepted",
        "delivered",
    }
    assert store.fact_at(NAMES.attempts, 0, 0).unreadable == "a number is out of range"
    store.close()


async def test_one_key_for_everything_stays_bounded(tmp_path):
    """An order with more records than any has is told by its newest ones."""
    topics = Topics()
    topics.most = 1000
    for _ in range(2100):
        topics.write(
            NAMES.dead_letter, "same", b"x", (("dead-letter-reason", b"invalid-event"),), T0
        )
    store, _ = await read(topics, tmp_path / "model.sqlite")
    assert len(store.facts_of("same")) == 2000
    (counted,) = store.row("SELECT count(*) FROM dead_letters")
    assert counted == 2100
    store.close()
