"""The form of our records: headers and value of a notification on a tier, of a dead letter, of the replay topic.

Contract, section 4. Decoding is strict: a record whose headers are missing, malformed or contradictory says
everything that is wrong with it and is then dead-lettered as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from streams.notification.body import check_body
from streams.notification.decision import DeadLetterReason
from streams.notification.intake import Refused
from streams.notification.notification import Notification
from streams.notification.profile import Profile
from streams.notification.profiles import PROFILES

FORMAT = "1"
DETAIL_BYTES = 4096
TRACEPARENT_LENGTH = 512
ORIGIN_LENGTH = 300
REPLAY_RUN_LENGTH = 64
Headers = tuple[tuple[str, bytes], ...]
Tag = tuple[str, int]
"""A topic and a partition of it."""


@dataclass(frozen=True, slots=True)
class InRecord:
    """A record as it was read. Offsets and partitions count from 0; the timestamp is milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def origin(self) -> str:
        """Where it stands: `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to be written. The key is the order id wherever it is known."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size_bytes(self) -> int:
        """Its size in a batch, from above: key, value, headers and the most that their lengths can take."""
        size = 32 + len(self.key or b"") + len(self.value or b"")
        return size + sum(len(name.encode()) + len(value) + 10 for name, value in self.headers)


class MalformedRecord(ValueError):  # noqa: N818  # what the record is
    """A record of ours that can't be read: every fault of it, none with a value."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


_OUR_HEADERS = (
    "format",
    "notification-id",
    "profile",
    "partner-id",
    "notify-url",
    "attempt",
    "parks",
    "replays",
    "due-at-ms",
    "occurred-at-ms",
    "accepted-at-ms",
    "first-attempt-at-ms",
    "last-outcome",
    "origin",
    "traceparent",
    "replay-run",
    "replay-of",
)
_DEAD_LETTER_HEADERS = (
    "dead-letter-reason",
    "dead-letter-detail",
    "value-sha256",
    "value-length",
    "kind",
)
RESERVED_HEADERS = frozenset((*_OUR_HEADERS, *_DEAD_LETTER_HEADERS))
"""Names that mean something to us; an event's own header of such a name is not carried along."""


def notification_headers(notification: Notification) -> Headers:
    """Return the headers of a record that holds this notification, unknown ones last."""
    n = notification
    values: list[tuple[str, str | int | None]] = [
        ("format", FORMAT),
        ("notification-id", n.notification_id),
        ("profile", n.profile.name),
        ("partner-id", n.partner_id),
        ("notify-url", n.notify_url),
        ("attempt", n.attempt),
        ("parks", n.parks),
        ("replays", n.replays),
        ("due-at-ms", n.due_at_ms),
        ("occurred-at-ms", n.occurred_at_ms),
        ("accepted-at-ms", n.accepted_at_ms),
        ("first-attempt-at-ms", n.first_attempt_at_ms),
        ("last-outcome", n.last_outcome),
        ("origin", n.origin),
        ("traceparent", n.traceparent),
        ("replay-run", n.replay_run),
    ]
    ours = tuple((name, str(value).encode()) for name, value in values if value is not None)
    return ours + n.extra_headers


def notification_record(topic: str, notification: Notification) -> OutRecord:
    """Return the record that puts a notification on a tier."""
    return OutRecord(
        topic, notification.order_id.encode(), notification.body, notification_headers(notification)
    )


def dead_letter_headers(reason: DeadLetterReason, detail: str) -> Headers:
    """Return the two headers that make a record a dead letter; the detail is cut to 4 KiB."""
    cut = detail.encode()[:DETAIL_BYTES].decode(errors="ignore").encode()
    return (("dead-letter-reason", reason.value.encode()), ("dead-letter-detail", cut))


@dataclass(frozen=True, slots=True)
class EventSource:
    """Where an event comes from: payment core, or an operator who put it back.

    Attributes:
        origin: `topic/partition/offset` where it stood first.
        replays: how often it was put back.
        replay_run: the operator's replay that put it back, or None.
    """

    origin: str
    replays: int = 0
    replay_run: str | None = None


def put_back_event(record: InRecord) -> EventSource:
    """Return what a record of the replay topic says of the event that it holds; what can't be read is left out."""
    said = dict(record.headers)
    run = said.get("replay-run", b"").decode("utf-8", "replace")[:REPLAY_RUN_LENGTH]
    replays = said.get("replays", b"")
    return EventSource(
        origin=said.get("origin", b"").decode("utf-8", "replace")[:ORIGIN_LENGTH] or record.origin,
        replays=int(replays) if replays.isdigit() and len(replays) <= _MAX_DIGITS else 0,
        replay_run=run or None,
    )


def refused_event_headers(
    record: InRecord, refused: Refused, accepted_at_ms: int, source: EventSource
) -> Headers:
    """Return what a dead letter that holds an event says of it: whatever could be read, and `kind: event`.

    With `kind: event` the record can be put back through the replay topic as it is.
    """
    known = {
        "format": FORMAT,
        "kind": "event",
        "notification-id": refused.event_id,
        "profile": refused.profile,
        "partner-id": refused.partner_id,
        "accepted-at-ms": str(accepted_at_ms),
        "origin": source.origin,
        "replays": str(source.replays) if source.replays else None,
        "replay-run": source.replay_run,
    }
    ours = tuple((name, value.encode()) for name, value in known.items() if value is not None)
    return ours + unknown_headers(record.headers)


def unknown_headers(headers: Headers) -> Headers:
    """Return the headers that mean nothing to us and are kept."""
    return tuple(header for header in headers if header[0] not in RESERVED_HEADERS)


def header_text(headers: Headers, name: str) -> str | None:
    """Return the first header of this name as text, or None where there is none.

    Raises:
        ValueError: its bytes are not UTF-8.
    """
    for key, value in headers:
        if key == name:
            return value.decode()
    return None


def due_at_ms(headers: Headers) -> int | None:
    """Return the due time in milliseconds since the epoch, or None where the header can't be read."""
    for name, value in headers:
        if name == "due-at-ms":
            return int(value) if value.isdigit() and len(value) <= _MAX_DIGITS else None
    return None


_MAX_DIGITS = 15  # milliseconds up to the year 33658; keeps int() cheap on hostile input


class _Reader:
    """Reads headers one by one and remembers every fault."""

    def __init__(self, headers: Headers) -> None:
        self.faults: list[str] = []
        self._values: dict[str, str] = {}
        for name, raw in headers:
            if name not in RESERVED_HEADERS:
                continue
            if name in self._values:
                self.faults.append(f"header {name}: stands more than once")
            try:
                self._values[name] = raw.decode()
            except UnicodeDecodeError:
                self._values[name] = ""
                self.faults.append(f"header {name}: not UTF-8")

    def text(self, name: str, most: int, *, empty: bool = False) -> str:
        value = self._values.get(name)
        if value is None:
            self.faults.append(f"header {name}: missing")
            return ""
        if len(value) > most or (not value and not empty):
            self.faults.append(
                f"header {name}: has {len(value)} characters, expected {0 if empty else 1} to {most}"
            )
        return value

    def optional(self, name: str, most: int) -> str | None:
        return self.text(name, most) if name in self._values else None

    def number(self, name: str) -> int:
        value = self.text(name, _MAX_DIGITS)
        if len(value) > _MAX_DIGITS or not value:
            return 0
        if not (value.isascii() and value.isdigit()):
            self.faults.append(f"header {name}: not a whole number")
            return 0
        return int(value)

    def optional_number(self, name: str) -> int | None:
        return self.number(name) if name in self._values else None

    def one_of(self, name: str, choices: Mapping[str, Profile]) -> Profile | None:
        choice = choices.get(self.text(name, 64))
        if choice is None:
            self.faults.append(f"header {name}: expected one of {', '.join(choices)}")
        return choice


def decode_notification(
    record: InRecord,
    *,
    latest_due_ms: int | None,
    check_url: Callable[[str], None],
    profiles: Mapping[str, Profile] = MappingProxyType(dict(PROFILES)),
) -> Notification:
    """Read a notification from a record of a tier or of the replay topic.

    Args:
        record: as read.
        latest_due_ms: the latest due time that can be honest here, or None where any may stand.
        check_url: raises ValueError for a notify URL that may not be called.
        profiles: by name.

    Raises:
        MalformedRecord: with every fault found.
    """
    read = _Reader(record.headers)
    if (form := read.text("format", 8)) and form != FORMAT:
        read.faults.append(f"header format: this version reads format {FORMAT}")
    notification_id = read.text("notification-id", 64)
    partner_id = read.text("partner-id", 64)
    profile = read.one_of("profile", profiles)
    url = read.optional("notify-url", 2048)
    attempt, parks, replays = read.number("attempt"), read.number("parks"), read.number("replays")
    due, occurred, accepted = (
        read.number("due-at-ms"),
        read.number("occurred-at-ms"),
        read.number("accepted-at-ms"),
    )
    first = read.optional_number("first-attempt-at-ms")
    last_outcome = read.text("last-outcome", 128, empty=True)
    origin = read.text("origin", ORIGIN_LENGTH)
    traceparent = read.optional("traceparent", TRACEPARENT_LENGTH)
    replay_run = read.optional("replay-run", REPLAY_RUN_LENGTH)
    if latest_due_ms is not None and due > latest_due_ms:
        read.faults.append("header due-at-ms: further away than this tier's wait")
    if attempt and first is None:
        read.faults.append("header first-attempt-at-ms: missing although an attempt was made")
    if profile is not None and attempt >= profile.ladder.attempts:
        read.faults.append(
            f"header attempt: {attempt} made, but {profile.name} has {profile.ladder.attempts} in all"
        )
    if url is not None:
        try:
            check_url(url)
        except ValueError as error:
            read.faults.append(f"header notify-url: {error}")
    order_id = _order_id(record, read.faults)
    if profile is not None and record.value is not None and order_id:
        try:
            check_body(record.value, profile, order_id)
        except ValueError as error:
            read.faults.append(f"body: {error}")
    if read.faults or profile is None or record.value is None:
        raise MalformedRecord(read.faults)
    return Notification(
        notification_id=notification_id,
        order_id=order_id,
        profile=profile,
        partner_id=partner_id,
        notify_url=url,
        body=record.value,
        due_at_ms=due,
        occurred_at_ms=occurred,
        accepted_at_ms=accepted,
        origin=origin,
        attempt=attempt,
        parks=parks,
        replays=replays,
        replay_run=replay_run,
        first_attempt_at_ms=first,
        last_outcome=last_outcome,
        traceparent=traceparent,
        extra_headers=unknown_headers(record.headers),
    )


def _order_id(record: InRecord, faults: list[str]) -> str:
    if record.value is None:
        faults.append("value: missing")
    if not record.key:
        faults.append("key: missing, expected the order id")
        return ""
    try:
        return record.key.decode()
    except UnicodeDecodeError:
        faults.append("key: not UTF-8")
        return ""
