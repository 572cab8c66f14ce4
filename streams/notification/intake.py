"""From an event's bytes to a notification, or a refusal that names every fault.

Two steps, because the partner's terms are known only when the event names the partner.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.event import MAX_ID_LENGTH, Event, EventMembers
from schemas.fields import Body, InvalidBody
from schemas.near_names import NearName, near_names
from schemas.strict_json import MalformedJson, check_rendered, loads
from schemas.tidying import Faults, plain
from schemas.valueclass import valueclass
from streams.notification.body import SUCCESS_CODE, map_result, result_of
from streams.notification.decision import DeadLetterReason
from streams.notification.notification import Headers, Notification
from streams.notification.profile import Profile
from streams.notification.profiles import PROFILES, RESULT_MEMBERS, order_id_in
from streams.notification.reasons import FALLBACK_CODE

MAX_DETAIL_BYTES: Final = 4096

_PROVISIONAL: Final = {code: result_of(code, None) for code in (SUCCESS_CODE, FALLBACK_CODE)}
"""Stands in until the partner's reasons are known; the body's rules ask for the status only."""


@dataclass(frozen=True, slots=True)
class PartnerTerms:
    """The members of a partner's entry that intake needs.

    Attributes:
        profiles: names of the profiles that the partner takes.
        reasons: payment core's reasons, each with the code to send to this partner; before the profile's.
        hold_unmapped: dead-letter a failure without a code instead of sending the general code.
        notify_url: used when the event names none.

    Raises:
        ValueError: a reason has a code that can't go with F.
    """

    profiles: frozenset[str]
    reasons: Mapping[str, str]
    hold_unmapped: bool
    notify_url: str | None

    def __post_init__(self) -> None:
        for reason, code in self.reasons.items():
            if code == SUCCESS_CODE or not 1 <= len(code) <= MAX_ID_LENGTH:
                message = (
                    f"reasons: {reason}: expected a code of F with 1 to {MAX_ID_LENGTH} characters"
                )
                raise ValueError(message)

    def faults_of(self, profile: str, *, has_url: bool) -> Faults:
        """Return what keeps an event from being sent to this partner.

        Args:
            profile: the name of the event's profile.
            has_url: whether the event names a notify URL.
        """
        faults: Faults = {}
        if profile not in self.profiles:
            faults["profile"] = f"the partner does not list {profile} in the partners file"
        if not has_url and self.notify_url is None:
            faults["notifyUrl"] = "missing or empty, and the partner has no notify_url"
        return faults


@valueclass(frozen=True, slots=True)
class ReadEvent:
    """An event that keeps every rule that can be checked without the partner.

    Attributes:
        event: its members.
        profile: the profile that it names.
        order_id: the key of every record about it.
        body: the request body with a provisional result of the right status.
        unsent: paths of the members of `payment` that are not sent.
        near: members of the event that are not known but have nearly the name of a known one.
    """

    event: Event
    profile: Profile
    order_id: str
    body: Body
    unsent: tuple[str, ...]
    near: tuple[NearName, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that becomes a dead letter.

    Attributes:
        reason: the class, from the contract's list.
        detail: every fault, at most 4 KiB of UTF-8, without values.
        event_id: the event's id where it could be read; the others alike.
        near: members of the event that are not known but have nearly the name of a known one; the detail says so too.
        faults: each fault by itself, `where: what`, without a limit.
    """

    reason: DeadLetterReason
    detail: str
    event_id: str | None = None
    profile: str | None = None
    partner_id: str | None = None
    order_id: str | None = None
    near: tuple[NearName, ...] = ()
    faults: tuple[str, ...] = field(default=(), compare=False)  # the detail says the same


@valueclass(frozen=True, slots=True)
class Prepared:
    """A notification before its first attempt, and what should be counted about it.

    Attributes:
        notification: due at once.
        unsent: paths of the members of `payment` that are not sent.
        unmapped_reason: the general code stands in for a reason that nothing maps.
        unknown_code: the code is none that the profile's source names.
    """

    notification: Notification
    unsent: tuple[str, ...]
    unmapped_reason: bool
    unknown_code: bool


def read_event(raw: bytes | None, *, allow_http: bool) -> ReadEvent | Refused:
    """Read an event's bytes. Never raises, whatever they are.

    Args:
        raw: the record's value; None for a tombstone.
        allow_http: whether plain http notify URLs are accepted.
    """
    if raw is None:
        return _invalid({"event": "a tombstone; expected one JSON object"}, {})
    try:
        members = loads(raw)
    except MalformedJson as exc:
        return _invalid({"event": str(exc)}, {})
    if not isinstance(members, dict):
        return _invalid({"event": "expected one JSON object"}, {})
    return read_members(members, {}, allow_http=allow_http)


def read_members(
    members: Mapping[str, Any], faults: Faults, *, allow_http: bool
) -> ReadEvent | Refused:
    """Read an event's members. Never raises, whatever they are.

    Args:
        members: as JSON has them.
        faults: what is known to be wrong with them already; with any the event is refused. With one of `event`, the whole,
            there are no members that could be missing.
        allow_http: whether plain http notify URLs will do.
    """
    if "event" in faults:
        return _invalid(faults, members)
    unknown = members.keys() - Event.table.keys()
    near = near_names(sorted(map(plain, unknown)), Event.table) if unknown else ()
    event = Event.read(members, allow_http=allow_http, faults=faults)
    said = EventMembers(members)
    profile, payment = PROFILES.get(said.profile or ""), said.payment
    if profile is None:
        faults.setdefault("profile", f"expected one of {', '.join(PROFILES)}")
    if payment is not None:
        provisional = _PROVISIONAL[SUCCESS_CODE if said.outcome == "SUCCESS" else FALLBACK_CODE]
        kind = profile.body if profile else Body
        try:
            body, unsent = kind.read(payment, provisional, "payment.", RESULT_MEMBERS)
        except InvalidBody as exc:
            for member, what in exc.faults.items():
                faults.setdefault(member, what)
            near += near_names(exc.unsent, kind.table, "payment.")
        else:
            near += near_names(unsent, kind.table, "payment.") if unsent else ()
            if event is not None and profile is not None and not faults:
                order_id = payment[profile.order_id_member]
                return ReadEvent(event, profile, order_id, body, unsent, near)
    return _invalid(faults, members, near)


def prepare(  # noqa: PLR0913  # what a record carries beside its value
    read: ReadEvent,
    terms: PartnerTerms | None,
    *,
    accepted_at_ms: int,
    origin: str,
    traceparent: str | None = None,
    extra_headers: Headers = (),
) -> Prepared | Refused:
    """Make the notification that tells this partner.

    Args:
        read: the event.
        terms: the partner's, or None when the partners file doesn't know it.
        accepted_at_ms: when we read the event, milliseconds since the epoch; the first attempt is due then.
        origin: `topic/partition/offset` of the event.
        traceparent: W3C trace context of the event, if it had one.
        extra_headers: headers of the event that we don't know and keep.
    """
    event, profile = read.event, read.profile
    if terms is None:
        return _refused(
            read,
            DeadLetterReason.UNKNOWN_PARTNER,
            "partnerId: the partners file has no such entry; add it, then replay",
        )
    faults = terms.faults_of(profile.name, has_url=event.notify_url is not None)
    if faults:
        return _refused(read, DeadLetterReason.INVALID_EVENT, *_sentences(faults, read.near))
    mapped = map_result(
        event.outcome,
        event.result_code,
        event.reason,
        partner_reasons=terms.reasons,
        profile=profile,
    )
    if mapped.unmapped and terms.hold_unmapped:
        return _refused(
            read,
            DeadLetterReason.UNMAPPED_REASON,
            "reason: no payment result code is mapped to it; add it to the partner's reasons, then replay",
        )
    body = read.body.with_result(result_of(mapped.code, event.result_message)).to_bytes()
    try:
        # An event in Avro, or with `\u002c` for commas, may hold more than its bytes show. Its retry would be refused.
        check_rendered(body)
    except MalformedJson as exc:
        return _refused(
            read, DeadLetterReason.INVALID_EVENT, f"payment: its request body has {exc}"
        )
    notification = Notification(
        notification_id=event.event_id,
        order_id=read.order_id,
        profile=profile,
        partner_id=event.partner_id,
        notify_url=event.notify_url,
        body=body,
        result_code=mapped.code,
        due_at_ms=accepted_at_ms,
        occurred_at_ms=event.occurred_at_ms,
        accepted_at_ms=accepted_at_ms,
        origin=origin,
        traceparent=traceparent,
        extra_headers=extra_headers,
        near_names=read.near,
    )
    return Prepared(notification, read.unsent, mapped.unmapped, mapped.code not in profile.codes)


def _invalid(
    faults: Faults, members: Mapping[str, Any], near: tuple[NearName, ...] = ()
) -> Refused:
    said = EventMembers(members)
    sentences = _sentences(faults, near)
    return Refused(
        DeadLetterReason.INVALID_EVENT,
        _detail(sentences),
        event_id=said.event_id,
        profile=said.profile,
        partner_id=said.partner_id,
        order_id=order_id_in(said.payment, said.profile),
        near=near,
        faults=sentences,
    )


def _refused(read: ReadEvent, reason: DeadLetterReason, *sentences: str) -> Refused:
    event = read.event
    ids = (event.event_id, read.profile.name, event.partner_id, read.order_id)
    return Refused(reason, _detail(sentences), *ids, read.near, sentences)


def _sentences(faults: Faults, near: tuple[NearName, ...]) -> tuple[str, ...]:
    return (*(f"{member}: {fault}" for member, fault in faults.items()), *map(str, near))


def _detail(sentences: Iterable[str]) -> str:
    return "; ".join(sentences).encode()[:MAX_DETAIL_BYTES].decode(errors="ignore")
