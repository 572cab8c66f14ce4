"""What a newer version wrote and this one can't know waits for a worker that does: as it is, bounded and counted."""

from dataclasses import replace

import pytest

from schemas.attempt_record import AttemptRecord
from streams.admission.limits import LONGEST_PARK_SECONDS
from streams.kafka.consumer.deduplication import Deduplicator
from streams.notification.profiles import TIERS
from tests.unit.bench import UNKNOWN, Bench
from tests.unit.kit import event, headers_of, read, read_back

SOURCE = "payment-final-state"
PARKING = [wait for wait in TIERS if wait.seconds <= LONGEST_PARK_SECONDS]
HOUR_MS = 3_600_000
REASON = {"profile": "other", "reason": "newer-version"}


@pytest.fixture
async def bench():
    """A stage, and a record of it that stands on its first tier."""
    made = Bench(UNKNOWN)
    headers = [("schema-id", b"\xff\x00"), ("x-null", None), ("x-\udcff", b"1")]
    await made.event(read(SOURCE, event(), headers=headers))
    yield made
    for record in made.broker.on("pn-attempts"):
        AttemptRecord.model_validate_json(record.value or b"")


def written_by_a_newer_one(bench, name="profile", value=b"mpp-to-mars", **more):
    """Return the record on the first tier as a newer version could have written it."""
    made = read_back(bench.moved[0])
    known = dict(made.headers) | {name: value} | {key: text.encode() for key, text in more.items()}
    headers = [(header, known[header]) for header, _ in made.headers]
    return replace(made, headers=(*headers, ("priority", b"high"), ("priority", None)))


NEWER = [("profile", b"mpp-to-mars"), ("format", b"2")]


@pytest.mark.parametrize(("name", "value"), NEWER)
async def test_it_goes_back_to_wait_as_it_is(bench, name, value):
    """Only what a park changes is changed; no call, no attempt, no dead letter; counted, and written down before."""
    record = written_by_a_newer_one(bench, name, value)
    bench.clock.ms += 1000
    await bench.tier(record)
    moved = bench.moved[-1]
    assert (moved.topic, moved.key, moved.value) == ("pn-retry-1s", record.key, record.value)
    due = dict(moved.headers)["due-at-ms"] or b""
    assert 0 <= int(due) - bench.clock.ms - 1000 <= 1
    changed = {"parks": b"1", "due-at-ms": due, "last-outcome": b"parked"}
    assert moved.headers == tuple((key, changed.get(key, text)) for key, text in record.headers)
    assert (len(bench.caller.made), bench.letters) == (1, [])
    assert bench.count("notifier_parks_total", **REASON) == 1
    line = bench.journal[-1]
    assert (line["kind"], line["decision"], line["why"]) == ("park", "parked", "newer-version")
    assert (line["notification_id"], line["attempt"], line["parks"]) == ("evt-1", 1, 1)
    assert line["order_id"] == (record.key or b"").decode()
    assert (line["next_topic"], str(line["next_due_at_ms"]).encode()) == ("pn-retry-1s", due)
    assert bench.broker.written[-2].topic == "pn-attempts"


@pytest.mark.parametrize(("name", "value"), NEWER)
async def test_it_waits_longer_each_time_and_no_longer_than_any_other(bench, name, value):
    """Tier by tier up to 15 minutes, until NOTIFIER_GIVE_UP_AFTER has passed: then it is a dead letter, as it is."""
    record, topics = written_by_a_newer_one(bench, name, value), []
    accepted = int(dict(record.headers)["accepted-at-ms"] or b"")
    while not bench.letters:
        bench.clock.ms = int(dict(record.headers)["due-at-ms"] or b"")
        await bench.tier(record)
        topics.append(bench.moved[-1].topic)
        record = read_back(bench.moved[-1])
    assert topics[: len(PARKING)] == [f"pn-retry-{wait.label}" for wait in PARKING]
    assert set(topics[len(PARKING) :]) == {"pn-retry-15m"}
    assert len(topics) < 72 * 4 + len(PARKING) + 2
    assert accepted + 71 * HOUR_MS < bench.clock.ms <= accepted + 72 * HOUR_MS
    (letter,) = bench.letters
    assert (letter.key, letter.value) == (record.key, record.value)
    assert letter.headers[: len(record.headers)] == record.headers
    assert dict(letter.headers)["dead-letter-reason"] == b"expired"
    assert len(bench.caller.made) == 1
    assert bench.count("notifier_dlq_total", reason="expired") == 1


async def test_on_the_replay_topic_as_well(bench):
    """What an operator of the newer version put back waits on the tiers for a worker that knows it."""
    record = written_by_a_newer_one(bench)
    await bench.replay(replace(record, topic="pn-replay"))
    assert bench.moved[-1].topic == "pn-retry-1s"
    assert bench.journal[-1]["trigger"] == "replay"
    assert bench.letters == []


async def test_a_second_copy_of_it_is_absorbed(bench):
    """A crash leaves two that differ in when they are due: one of them goes on, so that no two ladders are climbed."""
    record = written_by_a_newer_one(bench)
    copy = replace(record, headers=written_by_a_newer_one(bench, **{"due-at-ms": "1"}).headers)
    assert copy.headers != record.headers
    await bench.tier(record)
    await bench.tier(copy)
    assert len(bench.moved) == 2
    assert bench.journal[-1]["decision"] == "absorbed"
    assert bench.journal[-1]["trigger"] == "ladder"
    assert bench.count("notifier_repeats_total", tier="1s") == 1
    bench.memory = Deduplicator(bench.clock.now_ms, 1000)  # as after a restart
    await bench.tier(record)
    assert len(bench.moved) == 3


async def test_two_of_which_nothing_is_known_are_two(bench):
    """In a later format no id need stand where this version looks for one."""
    headers = (("format", b"2"), ("accepted-at-ms", str(bench.clock.ms).encode()))
    for key, value in ((None, b"one"), (None, b"two"), (b"order-2", b"two")):
        await bench.tier(read("pn-retry-1s", value, key=key, headers=headers))
    assert [record.value for record in bench.moved[1:]] == [b"one", b"two", b"two"]
    assert headers_of(bench.moved[1])["parks"] == "1"


async def test_one_that_the_broker_will_not_take_again(bench):
    """It can't wait, so an operator gets what can be kept of it."""
    bench.broker.max_message_bytes["pn-retry-1s"] = 100
    record = written_by_a_newer_one(bench)
    await bench.tier(record)
    (letter,) = bench.letters
    assert dict(letter.headers)["dead-letter-reason"] == b"oversized"
    assert dict(letter.headers)["format"] == b"1"
    assert bench.count("notifier_parks_total", **REASON) == 0


async def test_the_version_that_knows_it_goes_on_where_it_was(bench):
    """After a rollback and forward again: the same body, the next attempt, and the record is known by its parks."""
    await bench.tier(written_by_a_newer_one(bench))
    moved = read_back(bench.moved[-1])
    known = dict(moved.headers) | {"profile": b"mpp-to-ant"}
    back = replace(moved, headers=tuple((name, known[name]) for name, _ in moved.headers[:-2]))
    bench.clock.ms = int(known["due-at-ms"] or b"")
    await bench.tier(back)
    assert len(bench.caller.made) == 2
    assert bench.caller.made[0] == bench.caller.made[1]
    line = bench.journal[-1]
    assert (line["attempt"], line["parks"], line["trigger"]) == (2, 1, "park")


@pytest.mark.parametrize("made", [15, 16, 400])
async def test_a_ladder_that_became_shorter_ends_as_exhausted(bench, made):
    """More attempts made than it has today: no further call, and no fault of the record."""
    moved = read_back(bench.moved[0])
    headers = tuple(
        (name, str(made).encode() if name == "attempt" else value) for name, value in moved.headers
    )
    bench.clock.ms += 1000
    await bench.tier(replace(moved, headers=headers))
    (letter,) = bench.letters
    assert dict(letter.headers)["dead-letter-reason"] == b"attempts-exhausted"
    assert dict(letter.headers)["dead-letter-detail"] == (
        f"no acknowledgement after {made} attempts; the ladder has 15 today".encode()
    )
    assert letter.headers[: len(headers)] == headers
    assert len(bench.caller.made) == 1
    assert bench.count("notifier_notifications_total", outcome="attempts-exhausted", profile="mpp-to-ant") == 1  # fmt: skip


async def test_newer_records_that_differ_in_their_key_alone_are_two(bench):
    """What a newer version means by a key is not known here: neither may be taken for a copy of the other."""
    record = written_by_a_newer_one(bench)
    for key in (b"one", b"two"):
        await bench.tier(replace(record, key=key))
    assert [line["decision"] for line in bench.journal[-2:]] == ["parked", "parked"]
    assert [moved.key for moved in bench.moved[-2:]] == [b"one", b"two"]
