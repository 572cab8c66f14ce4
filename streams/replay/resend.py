"""Sending a delivered notification again: for a partner that lost it. Its body is made anew from its event."""

from streams.history.facts import Fact
from streams.history.notification_history import NotificationHistory
from streams.kafka.records import OutRecord
from streams.kafka.topics import TopicNames
from streams.replay.put_back import CannotPutBack, Warrant, decision_record
from streams.replay.rebuild import Rebuild


def may_be_sent_again(life: NotificationHistory) -> None:
    """Check that a notification was delivered, and rests nowhere.

    Raises:
        CannotPutBack: it was not, or it is under way.
    """
    if life.status == "dead-lettered":
        place = f" {life.dead_letter}" if life.dead_letter else ""
        message = f"it was not delivered but dead-lettered ({life.reason}): `notifier dead-letters replay{place}`"
        raise CannotPutBack(message)
    if life.status != "delivered":
        message = f"it is under way ({life.status}): it will be told without our doing, see `notifier why`"
        raise CannotPutBack(message)
    if life.event is None or life.notification_id is None:
        message = "where its event stood is not known"
        raise CannotPutBack(message)


async def records_to_resend(
    life: NotificationHistory, rebuild: Rebuild, names: TopicNames, warrant: Warrant, now_ms: int
) -> tuple[OutRecord, OutRecord]:
    """Return the decision and the record that send a delivered notification again; write the first before the second.

    Raises:
        CannotPutBack: it may not be sent again, or its event can't be read any more.
    """
    may_be_sent_again(life)
    assert life.event is not None  # noqa: S101  # checked above
    known = Fact(
        "event",
        *life.event,
        at_ms=life.since_ms,
        order_id=life.order_id,
        notification_id=life.notification_id,
        profile=life.profile,
        partner_id=life.partner_id,
        replays=life.replays,
        origin=life.event.header,
    )
    effect = await rebuild.record(known, warrant, now_ms)
    return decision_record(names, effect, known, warrant, now_ms), effect
