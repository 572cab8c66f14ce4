"""Sending a delivered notification again: for a partner that lost it. Its event is put back, and a worker makes the body anew."""

from collections.abc import Iterable

from streams.kafka.format.facts import Fact
from streams.kafka.producer import RecordTooLarge
from streams.operator.dead_letters.clients import ReplayClients
from streams.operator.dead_letters.replay_record import CannotReplay, ReplayAudit, replay_settlement
from streams.operator.history.notification_history import NotificationHistory


def event_to_resend(histories: Iterable[NotificationHistory], notification_id: str | None) -> Fact:
    """Return what is known of the event of a delivered notification that rests nowhere.

    Args:
        histories: of one order.
        notification_id: which is meant; needed where several were delivered.

    Raises:
        CannotReplay: there is none or there are several, it was not delivered, or it is under way.
    """
    meant = [h for h in histories if notification_id in {None, h.notification_id}]
    delivered = [history for history in meant if history.status == "delivered"]
    match delivered or meant:
        case []:
            message = "nothing is known of it; see `notifier why`"
        case [_, _, *_] as several:
            ids = ", ".join(str(history.notification_id) for history in several)
            message = f"it has several notifications: {ids}; choose one with --notification"
        case [history] if history.status == "dead-lettered":
            place = f" {history.dead_letter}" if history.dead_letter else ""
            message = f"it was not delivered but dead-lettered ({history.reason}): `notifier dead-letters replay{place}`"
        case [history] if history.status != "delivered":
            message = f"it is under way ({history.status}): it will be told without our doing, see `notifier why`"
        case [history] if history.event is not None and history.notification_id is not None:
            return Fact(
                "event",
                *history.event,
                at_ms=history.since_ms,
                order_id=history.order_id,
                notification_id=history.notification_id,
                profile=history.profile,
                partner_id=history.partner_id,
                replays=history.replays,
                origin=history.event.header,
            )
        case _:
            message = "where its event stood is not known"
    raise CannotReplay(message)


async def resend(event: Fact, clients: ReplayClients, audit: ReplayAudit) -> None:
    """Put the notification of an event back, its decision written down first.

    Raises:
        CannotReplay: the event can't be read any more, or the replay topic takes none as large.
    """
    now_ms = clients.clock.now_ms()
    effect = await clients.rebuild.event_record(event, audit, now_ms)
    try:
        await clients.settler.settle(replay_settlement(effect, event, audit, now_ms))
    except RecordTooLarge as error:
        raise CannotReplay(str(error)) from error
