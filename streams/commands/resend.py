"""`notifier resend`."""

from typing import Annotated

import typer

from streams.clock import Clock
from streams.commands.common import Json, fail, settings_or_fail
from streams.commands.output import confirm, finish, print_json, reading, say, shown
from streams.commands.replay import Who, Why, Yes, partners_or_fail, warrant_of
from streams.history.notification_history import NotificationHistory, histories_of
from streams.history.search import search_order
from streams.kafka.connection import connection_of
from streams.kafka.reader import RecordReader
from streams.partners import Partners
from streams.replay.put_back import CannotPutBack, Warrant
from streams.replay.resend import may_be_sent_again, records_to_resend
from streams.replay.tools import open_tools
from streams.settings import Settings


def resend(
    order_id: Annotated[str, typer.Argument(help="The order id, as the partner knows it.")],
    why: Why = None,
    who: Who = None,
    notification: Annotated[
        str | None,
        typer.Option(help="Which, where the order has several: a notification id (eventId)."),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send a delivered notification again, for a partner that lost it.

    Bodies are not kept after delivery: it is made anew from its event, which must still stand on its topic.

    notifier resend 2026112219074102000100 --why "acme lost its database"
    """
    warrant = warrant_of(why, who)
    settings = settings_or_fail(as_json=as_json)
    partners = partners_or_fail(settings, as_json=as_json)
    lives = finish(_lives(settings, order_id), as_json=as_json)
    if notification is not None:
        lives = [life for life in lives if life.notification_id == notification]
    if not lives:
        fail([f"nothing is known of order {shown(order_id)}; see `notifier why`"], as_json=as_json)
    delivered = [life for life in lives if life.status == "delivered"] or lives
    if len(delivered) > 1:
        ids = ", ".join(shown(life.notification_id) for life in delivered)
        fail(
            [f"the order has several notifications: {ids}; choose one with --notification"],
            as_json=as_json,
        )
    life = delivered[0]
    try:
        may_be_sent_again(life)
        confirm(
            f"Send {shown(life.notification_id)} to {shown(life.partner_id)} again?",
            1,
            yes=yes,
            as_json=as_json,
        )
        finish(_resend(settings, partners, life, warrant), as_json=as_json)
    except CannotPutBack as error:
        fail([f"order {shown(order_id)} can't be sent again: {shown(error)}"], as_json=as_json)
    if as_json:
        print_json({"run": warrant.run, "notification_id": life.notification_id, "resent": True})
    else:
        say(f"Sent to the replay topic, run {warrant.run}. See: notifier why {shown(order_id)}")


async def _lives(settings: Settings, order_id: str) -> list[NotificationHistory]:
    with reading("reading the attempts") as on_progress:
        async with RecordReader(connection_of(settings), f"{settings.group_id}-resend") as reader:
            found = await search_order(settings, reader, order_id, on_progress=on_progress)
            return list(histories_of(found.facts))


async def _resend(
    settings: Settings, partners: Partners, life: NotificationHistory, warrant: Warrant
) -> None:
    clock = Clock()
    async with open_tools(settings, partners.get, clock) as tools:
        decision, effect = await records_to_resend(
            life, tools.rebuild, tools.names, warrant, clock.now_ms()
        )
        await tools.producer.write(decision)  # before its effect
        await tools.producer.write(effect)
