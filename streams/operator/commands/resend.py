"""`notifier resend`."""

from typing import Annotated

import typer

from streams.clock import Clock
from streams.kafka.format.facts import Fact
from streams.operator.commands.common import (
    Json,
    fail,
    mapping_or_fail,
    print_json,
    say,
    settings_or_fail,
)
from streams.operator.commands.dead_letter_options import Who, Why, Yes, audit_of
from streams.operator.commands.output import confirm, finish, reading_topics, shown
from streams.operator.dead_letters.clients import open_replay_clients
from streams.operator.dead_letters.replay_record import CannotReplay, ReplayAudit
from streams.operator.dead_letters.resend import event_to_resend
from streams.operator.dead_letters.resend import resend as send_again
from streams.operator.history.notification_history import NotificationHistory, histories_of
from streams.operator.history.search import search_order
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

    Bodies are not kept after delivery: a worker makes it anew from its event, which must still stand on its topic.

    notifier resend 2026112219074102000100 --why "acme lost its database"
    """
    audit = audit_of(why, who)
    settings = settings_or_fail()
    try:
        event = event_to_resend(finish(_histories(settings, order_id)), notification)
        confirm(
            f"Send {shown(event.notification_id)} to {shown(event.partner_id)} again?", 1, yes=yes
        )
        finish(_resend(settings, event, audit))
    except CannotReplay as error:
        fail(f"order {shown(order_id)} can't be sent again: {shown(error)}")
    if as_json:
        print_json({"run": audit.run, "notification_id": event.notification_id, "resent": True})
    else:
        say(f"Sent to the replay topic, run {audit.run}. See: notifier why {shown(order_id)}")


async def _histories(settings: Settings, order_id: str) -> tuple[NotificationHistory, ...]:
    async with reading_topics(settings, "resend", "reading the attempts") as (reader, on_progress):
        found = await search_order(
            settings, reader, order_id, on_progress=on_progress, mapping=mapping_or_fail(settings)
        )
        return histories_of(found.facts)


async def _resend(settings: Settings, event: Fact, audit: ReplayAudit) -> None:
    mapping = mapping_or_fail(settings)
    async with open_replay_clients(settings, lambda _: None, Clock(), mapping) as clients:
        await send_again(event, clients, audit)
