"""What was done about dead letters since they were written: put back, delivered, and how often."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from streams.kafka.format.facts import Fact, Kind, read_fact
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.raw_fetch import scan
from streams.kafka.reader.reader import OnProgress, RecordReader
from streams.kafka.topics import TopicNames
from streams.notification.decision import DeadLetterReason

CLOCKS_MS: Final = 60_000
"""How far the clocks of a worker and a broker may lie apart before a delivery is taken for an older one."""
_REPLAYS_KEPT_MS: Final = 6 * 86_400_000  # of 7 days, at least


async def facts_since(
    reader: RecordReader,
    names: TopicNames,
    dead_letters: Sequence[Fact],
    *,
    on_progress: OnProgress | None = None,
) -> list[Fact]:
    """Return what was written about the orders of these dead letters since the oldest of them.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    if not dead_letters:
        return []
    since = min(dead.at_ms for dead in dead_letters) - CLOCKS_MS
    orders = _orders_of(dead_letters)
    record_ids = {dead.record_id.header for dead in dead_letters}
    origins = {dead.origin for dead in dead_letters if dead.origin is not None}
    kinds: dict[str, Kind] = {names.attempts: "attempts", names.replay: "replay"}
    if len(orders) == 1 and all(map(_has_order_as_key, dead_letters)):
        (order,) = orders  # what we wrote ourselves stands where it is likely
        spans = (await reader.key_spans(*kinds, key=order.encode(), since_ms=since)).likely
    else:
        spans = await reader.spans(*kinds, since_ms=since)
    facts = []
    async for batch in scan(reader, spans, may_be_since(dead_letters), on_progress):
        for record in batch:
            fact = read_fact(kinds[record.topic], record)
            if fact.order_id in orders or of_replay(fact) in record_ids or fact.origin in origins:
                facts.append(fact)
    return facts


def may_be_since(dead_letters: Sequence[Fact]) -> Callable[[Any], bool]:
    """Return what tells of a record of aiokafka's whether it may say what was done about these dead letters.

    What puts one back is told by the place that it names: it has the key of the dead letter, which no fact holds.
    """
    places = {dead.record_id.header.encode() for dead in dead_letters}
    keys: set[bytes | None] = {order.encode() for order in _orders_of(dead_letters)}
    if any(dead.order_id is None or is_unread_event(dead) for dead in dead_letters):
        keys.add(None)  # of the decision to put one back, and of what a worker did then
    return lambda record: (
        record.key in keys
        or any(name == "replay-of" and value in places for name, value in record.headers)
    )


def _orders_of(dead_letters: Iterable[Fact]) -> set[str]:
    """Return the order ids that these dead letters say, as the attempts records about them have them."""
    return {dead.order_id for dead in dead_letters if dead.order_id is not None}


def _has_order_as_key(dead: Fact) -> bool:
    """Tell whether a dead letter is sure to be keyed by its order id.

    An event that can't be read keeps payment core's key, or none. Its order id is then that key as text, which is another
    where the key is no UTF-8, or was found in a value that intake refuses.
    """
    return dead.order_id is not None and not is_unread_event(dead)


def is_unread_event(dead: Fact) -> bool:
    """Tell whether a dead letter is an event that can't be read."""
    return dead.holds_event and dead.reason == DeadLetterReason.INVALID_EVENT


def may_be_same(partner_id: str | None, other: str | None) -> bool:
    """Tell whether two records of an order may be about the same partner: merchants number their orders as they like."""
    return partner_id is None or other is None or partner_id == other


class DoneSince:
    """What was done since the dead letters were written.

    Args:
        facts: of the attempts and the replay topic.
        now_ms: the present.
    """

    def __init__(self, facts: Iterable[Fact], now_ms: int) -> None:
        self._replayed: dict[RecordId, Fact] = {}  # what put a dead letter back, by its place
        # What the workers did first in each round, by the event's place: it came off the replay topic, whatever that holds now.
        self._rounds: defaultdict[str, dict[int, Fact]] = defaultdict(dict)
        self._delivered: defaultdict[str, dict[str | None, int]] = defaultdict(dict)
        self._replays: dict[str, int] = {}  # how often a notification was put back
        for fact in facts:
            # A decision without its record on the replay topic was interrupted before its effect, and does not count;
            # unless it is so old that the record may have been deleted.
            of = of_replay(fact)
            if of is not None and (fact.kind == "replay" or fact.at_ms < now_ms - _REPLAYS_KEPT_MS):
                with suppress(ValueError):
                    self._replayed[RecordId.parse(of)] = fact
                self._count(fact)
            record, order = fact.record, fact.order_id
            if record is None:
                continue
            if record.kind != "replay" and fact.replays:
                self._note_round(fact)
                self._count(fact)
            if record.decision == "delivered" and order is not None:
                at = record.at_ms if record.ended_at_ms is None else record.ended_at_ms
                by_partner = self._delivered[order]
                by_partner[fact.partner_id] = max(by_partner.get(fact.partner_id, 0), at)

    def _count(self, fact: Fact) -> None:
        if (name := fact.notification_id) is not None:
            self._replays[name] = max(self._replays.get(name, 0), fact.replays or 0)

    def _note_round(self, fact: Fact) -> None:
        for name in (fact.origin, fact.notification_id):
            if name is not None:
                rounds, number = self._rounds[name], fact.replays or 0
                if number not in rounds or fact.at_ms < rounds[number].at_ms:
                    rounds[number] = fact

    def put_back(self, dead: Fact) -> Fact | None:
        """Return what says that a dead letter was put back; None where nothing does.

        That is what put it back, or what a worker did about its notification in a later round: that record is the effect,
        also where the replay topic was deleted since or has lost the record that led there.
        """
        if (replayed := self._replayed.get(dead.record_id)) is not None:
            return replayed
        # Two events may name one notification id, so it stands in only where the event's place is not known.
        rounds = self._rounds.get(dead.origin or dead.notification_id or "", {})
        later = [number for number in rounds if number > (dead.replays or 0)]
        return rounds[min(later)] if later else None

    def delivered_at(self, dead: Fact) -> int | None:
        """Return when the partner that a dead letter is for acknowledged its order last; None for never."""
        by_partner = self._delivered.get(dead.order_id or "", {})
        return max(
            (at for partner, at in by_partner.items() if may_be_same(dead.partner_id, partner)),
            default=None,
        )

    def replays(self, dead: Fact) -> int:
        """Return how often the notification of a dead letter was put back."""
        return max(dead.replays or 0, self._replays.get(dead.notification_id or "", 0))


def of_replay(fact: Fact) -> str | None:
    """Return what a fact says was put back: a record of the replay topic, or the decision to write one."""
    if fact.kind == "replay":
        return fact.replay_of
    return fact.record.replay_of if fact.record is not None else None
