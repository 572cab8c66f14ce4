"""The options of the commands about dead letters: which are meant; who puts them back, and why."""

import getpass
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer

from streams.clock import Clock
from streams.kafka.format.raw import RecordId
from streams.kafka.topics import TopicNames
from streams.notification.decision import DeadLetterReason
from streams.notification.profiles import PROFILES
from streams.operator.commands.common import settings_or_fail, used_wrongly
from streams.operator.commands.output import moment
from streams.operator.dead_letters.replay_record import ReplayAudit
from streams.operator.dead_letters.selection import Selection
from streams.settings import CONSOLE_FILES

Which = Annotated[
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

Who = Annotated[str | None, typer.Option("--who", help="Who does it; the login name unless given.")]
Why = Annotated[
    str | None,
    typer.Option("--why", help="Why, in words without customer data; kept with every record."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


def selection_of(
    which: Iterable[str] | None,
    reasons: Iterable[str] | None = None,
    partners: Iterable[str] | None = None,
    profiles: Iterable[str] | None = None,
    codes: Iterable[str] | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Selection:
    """Return the dead letters that the options mean.

    Raises:
        typer.BadParameter: an option can't be read.
    """
    record_ids, orders = set(), set()
    for name in which or ():
        if (place := _dead_letter_at(name)) is not None:
            record_ids.add(place)
        else:
            orders.add(name)
    now_ms = Clock().now_ms()
    return Selection(
        record_ids=frozenset(record_ids),
        orders=frozenset(orders),
        reasons=_some_of("--reason", reasons, DeadLetterReason),
        partners=frozenset(partners or ()),
        profiles=_some_of("--profile", profiles, PROFILES),
        codes=frozenset(codes or ()),
        since_ms=moment(since, now_ms, "--since"),
        until_ms=moment(until, now_ms, "--until"),
    )


def _dead_letter_at(name: str) -> RecordId | None:
    """Return the place that a name is; None for an order id, which may look like a place too: `shop:1:2`."""
    try:
        place = RecordId.parse(name)
    except ValueError:
        return None
    topic = TopicNames(settings_or_fail("partners_file", *CONSOLE_FILES).topic_prefix).dead_letter
    return place if place.topic == topic else None


def _some_of(option: str, given: Iterable[str] | None, known: Iterable[str]) -> frozenset[str]:
    names = sorted(map(str, known))
    for value in given or ():
        if value not in names:
            message = f"{option}: seen {value!r}, expected one of {', '.join(names)}"
            raise typer.BadParameter(message)
    return frozenset(given or ())


def audit_of(why: str | None, who: str | None, run_id: str | None = None) -> ReplayAudit:
    """Return who puts something back and why, or say what is missing and exit with 2."""
    if why is None:
        used_wrongly('--why: missing; say why, like --why "acme is back"')
    if who is None:
        try:
            who = getpass.getuser()
        except (KeyError, OSError):
            used_wrongly("--who: missing, and the login name is not known here")
    now = datetime.fromtimestamp(Clock().now_seconds(), UTC)
    try:
        return ReplayAudit(run_id or f"r-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", who, why)
    except ValueError as error:
        used_wrongly(f"--{error}")
