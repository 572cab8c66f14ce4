"""`notifier check-event`: every fault of one event, and the request that it would become, before it is on Kafka."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from schemas.strict_json import MalformedJson, loads
from streams.clock import Clock
from streams.notification.intake import (
    PartnerTerms,
    Prepared,
    ReadEvent,
    Refused,
    prepare,
    read_event,
    read_members,
)
from streams.operator.commands.common import (
    FAULT,
    Json,
    fail,
    partners_or_fail,
    print_json,
    say,
    settings_or_fail,
    used_wrongly,
    warn,
)
from streams.operator.commands.map_event import (
    MappingFile,
    RecordHeaders,
    RecordKey,
    Topic,
    map_event,
)
from streams.operator.commands.output import shown
from streams.operator.did_you_mean import meant_or_expected
from streams.partners import Partner
from streams.settings import CONSOLE_FILES, KAFKA_FILES
from streams.webhook.egress import DestinationBlocked, Guard, guard_of
from streams.webhook.exact_request import ExactRequest, exact_request

if TYPE_CHECKING:
    from streams.mapping.mapping import MappedEvent

USER_AGENT: Final = "payment-notifier"


@dataclass(frozen=True, slots=True)
class ExaminedEvent:
    """What an event would become.

    Attributes:
        faults: why it would be dead-lettered, all of them.
        warnings: what is sent otherwise than somebody may think.
        request: what the partner would get; None with a fault, or without a partners file.
        body: the same without its head; None with a fault of the event itself.
    """

    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    request: ExactRequest | None = None
    body: bytes | None = None


def check_event(
    file: Annotated[
        Path, typer.Argument(help="One event, a record's value; - reads standard input.")
    ],
    as_json: Json = False,
    mapping: MappingFile = None,
    topic: Topic = None,
    key: RecordKey = None,
    header: RecordHeaders = None,
) -> None:
    """Say every fault of a payment event, and show the exact request that it becomes.

    Nothing is sent and Kafka is not asked. Without NOTIFIER_PARTNERS_FILE the event's own rules are checked alone.

    With --mapping the event is one of payment core's own form, and ours is made of it first (docs/event-mapping.md).

    notifier check-event event.json

    notifier check-event --mapping mapping.yaml event.json
    """
    settings = settings_or_fail("partners_file", "event_mapping", *KAFKA_FILES, *CONSOLE_FILES)
    partners = partners_or_fail(settings) if settings.partners_file != Path() else None
    record = read_file(file)
    mapped = None
    if mapping is not None:
        mapped = map_event(settings, mapping, topic, key, record, header or [])
    elif topic is not None or key is not None or header:
        used_wrongly("--topic, --key and --header go with --mapping")
    if isinstance(mapped, str):  # the rule by which it is passed over
        _say_passed_over(mapped, as_json=as_json)
        return
    examined = examine_event(
        event_of(record) if mapped is None else mapped.canonical,
        partners,
        guard_of(settings),
        allow_http=settings.allow_http,
        now_ms=Clock().now_ms(),
        mapped=mapped,
    )
    if as_json:
        event = {} if mapped is None else {"event": mapped.members}
        print_json({**_members(examined), **event})
        raise typer.Exit(FAULT if examined.faults else 0)
    if mapped is not None:
        say(f"the event that the mapping makes: {shown(mapped.canonical.decode())}")
    warn(map(shown, examined.warnings))
    if examined.faults:
        fail(*map(shown, examined.faults))
    if examined.request is not None:
        print_request(examined.request)
    elif examined.body is not None:
        print(shown(examined.body.decode()))
    say("the event keeps every rule; nothing was sent")


def _say_passed_over(rule: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, "faults": (), "warnings": (), "passed_over": rule})
    else:
        say(f"passed over by the rule {rule}: counted, and nobody is told")


def read_file(file: Path) -> bytes:
    """Return a file's bytes, or say why it can't be read and exit with 1."""
    try:
        return sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()
    except OSError as error:
        fail(f"{file}: seen {error.strerror}, expected a file that can be read")


def event_of(record: bytes) -> bytes:
    """Return the event that a record's value holds: itself."""
    return record


def examine_event(  # what a worker knows too
    raw: bytes,
    partners: Mapping[str, Partner] | None,
    guard: Guard,
    *,
    allow_http: bool,
    now_ms: int,
    mapped: "MappedEvent | None" = None,
) -> ExaminedEvent:
    """Judge an event as a worker would, without ending at the first step that refuses it.

    Args:
        raw: the event's bytes.
        partners: the partners file's; None for none, then the request is not known.
        guard: the egress rules.
        allow_http: whether plain http notify URLs will do.
        now_ms: milliseconds since the epoch, for Request-Time.
        mapped: what an event mapping made of a record, or None where the event is of our own form.
    """
    if mapped is None:
        read = read_event(raw, allow_http=allow_http)
    else:
        read = read_members(mapped.members, dict(mapped.faults), allow_http=allow_http)
    if isinstance(read, Refused):
        faults = (*read.faults, *_partner_faults(raw, read, partners))
        return ExaminedEvent(tuple(dict.fromkeys(faults)), ())
    partner = None if partners is None else partners.get(read.event.partner_id)
    if partners is not None and partner is None:
        return ExaminedEvent((_unknown(read.event.partner_id, partners),), ())
    terms = partner.terms if partner is not None else _any_partner(read.profile.name)
    prepared = prepare(read, terms, accepted_at_ms=now_ms, origin="check/0/0")
    if isinstance(prepared, Refused):
        return ExaminedEvent(prepared.faults, ())
    warnings = list(_warnings(read, prepared))
    if partner is None:
        warnings.append(
            "NOTIFIER_PARTNERS_FILE is not set, so the partner's entry was not checked; expected its path"
        )
        return ExaminedEvent((), tuple(warnings), body=prepared.notification.body)
    if partner.paused:
        warnings.append("the partner is paused: the notification would be parked")
    return _prepared(prepared, partner, guard, now_ms, warnings)


def _any_partner(profile: str) -> PartnerTerms:
    return PartnerTerms(
        frozenset({profile}), {}, hold_unmapped=False, notify_url="https://example.com/"
    )


def _prepared(
    prepared: Prepared, partner: Partner, guard: Guard, now_ms: int, warnings: list[str]
) -> ExaminedEvent:
    notification = prepared.notification
    url = notification.notify_url or partner.terms.notify_url or ""
    by_proxy = partner.proxy is not None
    try:
        guard.check_url(url, partner.allowed_hosts, partner.named_servers, by_proxy=by_proxy)
    except DestinationBlocked as error:
        return ExaminedEvent((f"notifyUrl: {error}",), tuple(warnings), body=notification.body)
    request = exact_request(partner, url, notification.body, now_ms, USER_AGENT)
    return ExaminedEvent((), tuple(warnings), request, notification.body)


def _warnings(read: ReadEvent, prepared: Prepared) -> Iterator[str]:
    yield from _unsent(prepared.unsent)
    yield from map(str, read.near)
    code = prepared.notification.result_code
    if prepared.unmapped_reason:
        yield f"reason: nothing maps it, so {code} is sent; add it to the partner's reasons, or send resultCode"
    if prepared.unknown_code:
        yield f"resultCode: {code} is none of the codes that {read.profile.name} names; it is sent as it is"


def _unsent(paths: tuple[str, ...]) -> Iterator[str]:
    return (f"payment.{path}: the profile has no such member; it is not sent" for path in paths)


def _partner_faults(
    raw: bytes, refused: Refused, partners: Mapping[str, Partner] | None
) -> Iterator[str]:
    """Yield what the partner would object to in an event that is refused already."""
    if partners is None or refused.partner_id is None:
        return
    partner = partners.get(refused.partner_id)
    if partner is None:
        yield _unknown(refused.partner_id, partners)
    elif refused.profile is not None:
        faults = partner.terms.faults_of(refused.profile, has_url=_names_url(raw))
        yield from (f"{where}: {what}" for where, what in faults.items())


def _names_url(raw: bytes) -> bool:
    try:
        members = loads(raw)
    except MalformedJson:
        return False
    return isinstance(members, dict) and bool(members.get("notifyUrl"))


def _unknown(partner_id: str, partners: Mapping[str, Partner]) -> str:
    meant = meant_or_expected(partner_id, partners)
    return f"partnerId: the partners file has no entry {partner_id}{meant}"


def print_request(request: ExactRequest) -> None:
    """Print a request to be read: the address above it, then head and body as they are sent, control characters escaped."""
    say(f"to {request.url}")
    for line in request.head.splitlines():
        print(shown(line))
    print()
    print(shown(request.body.decode()))


def _members(examined: ExaminedEvent) -> dict[str, object]:
    request = examined.request
    return {
        "ok": not examined.faults,
        "faults": examined.faults,
        "warnings": examined.warnings,
        "request": None if request is None else request_members(request),
        "body": None if examined.body is None else examined.body.decode(),
    }


def request_members(request: ExactRequest) -> dict[str, object]:
    """Return a request for a program."""
    return {
        "method": "POST",
        "url": request.url,
        "headers": dict(request.headers),
        "body": request.body.decode(),
        "string_to_sign": request.signed.decode(),
    }
