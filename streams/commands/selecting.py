"""The options that choose dead letters, the same for every command about them."""

from collections.abc import Iterable
from typing import Annotated

import typer

from streams.clock import Clock
from streams.commands.output import moment
from streams.kafka.raw import Place
from streams.notification.decision import DeadLetterReason
from streams.notification.profiles import PROFILES
from streams.replay.letters import Selection

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Order ids, or places like payment-notification-dead-letter:3:1182.",
        metavar="[WHICH]...",
    ),
]
Reasons = Annotated[
    list[str] | None, typer.Option("--reason", help="Of this reason; may be repeated.")
]
PartnerIds = Annotated[list[str] | None, typer.Option("--partner", help="For this partner.")]
Profiles = Annotated[list[str] | None, typer.Option("--profile", help="Of this profile.")]
Codes = Annotated[
    list[str] | None,
    typer.Option(
        "--code", help="What the last attempt brought: RISK_REJECT, read_timeout, http_status."
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="Dead-lettered since: 2h, 7d or a time.", metavar="TIME"),
]
Until = Annotated[str | None, typer.Option("--until", help="Dead-lettered before.", metavar="TIME")]


def selection_of(
    which: list[str] | None,
    reasons: list[str] | None,
    partners: list[str] | None,
    profiles: list[str] | None,
    codes: list[str] | None,
    since: str | None,
    until: str | None,
) -> Selection:
    """Return the dead letters that the options mean.

    Raises:
        typer.BadParameter: an option can't be read.
    """
    known = {reason.value for reason in DeadLetterReason}
    _one_of("--reason", reasons, known)
    _one_of("--profile", profiles, set(PROFILES))
    places, orders = set(), set()
    for name in which or ():
        try:
            places.add(Place.parse(name))
        except ValueError:
            orders.add(name)
    now_ms = Clock().now_ms()
    return Selection(
        places=frozenset(places),
        orders=frozenset(orders),
        reasons=frozenset(reasons or ()),
        partners=frozenset(partners or ()),
        profiles=frozenset(profiles or ()),
        codes=frozenset(codes or ()),
        since_ms=moment(since, now_ms, "--since"),
        until_ms=moment(until, now_ms, "--until"),
    )


def _one_of(option: str, given: Iterable[str] | None, known: set[str]) -> None:
    for value in given or ():
        if value not in known:
            message = f"{option}: seen {value!r}, expected one of {', '.join(sorted(known))}"
            raise typer.BadParameter(message)
