"""The form of our records: headers and value of a notification on a tier, of a dead letter, of the replay topic.

Contract, section 4. How a notification is read back stands in `decoding.py`, what stands beside an event in
`event_headers.py`.
"""

from collections.abc import Mapping
from dataclasses import field

from schemas.valueclass import valueclass
from streams.notification.decision import DeadLetterReason
from streams.notification.notification import Headers, Notification

FORMAT = "1"
DETAIL_BYTES = 4096
ORIGIN_LENGTH = 300
REPLAY_RUN_LENGTH = 64
MAX_DIGITS = 15
"""Of a number in a header: milliseconds up to the year 33658; keeps int() cheap on hostile input."""

PartitionId = tuple[str, int]
"""A topic and a partition of it."""


@valueclass(frozen=True, slots=True)
class InRecord:
    """A record as it was read. Offsets and partitions count from 0.

    Attributes:
        append_time_ms: the broker's clock where the topic stamps records at append, milliseconds since the epoch; else -1.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    append_time_ms: int = field(default=-1, kw_only=True)

    @property
    def origin(self) -> str:
        """Where it stands: `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@valueclass(frozen=True, slots=True)
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
        return size + sum(header_size(header) + 10 for header in self.headers)


def too_large(record: OutRecord) -> str:
    """Return the message about a record that is too large for the broker."""
    return (
        f"a record of about {record.size_bytes} bytes for {record.topic} is over the broker's limit"
        " (max.message.bytes of the topic)"
    )


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
"""Names that mean something to us; an event's own header of such a name is carried along under another."""


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


def unknown_headers(headers: Headers) -> Headers:
    """Return the headers that are not ours and are kept."""
    return tuple(header for header in headers if header[0] not in RESERVED_HEADERS)


def header_text(headers: Headers, name: str) -> str | None:
    """Return the first header of this name as text, or None where there is none or it has no value.

    Raises:
        ValueError: its bytes are not UTF-8.
    """
    for key, value in headers:
        if key == name:
            return None if value is None else value.decode()
    return None


def header_size(header: tuple[str, bytes | None]) -> int:
    """Return how many bytes a header's name and value have together."""
    name, value = header
    return len(name.encode("utf-8", "surrogateescape")) + len(value or b"")


def replace_headers(headers: Headers, changed: Mapping[str, str]) -> Headers:
    """Return headers with some of them changed, each where it stood first, and with those added that were missing."""
    left = dict(changed)
    replaced = [
        (name, left.pop(name).encode() if name in left else value)
        for name, value in headers
        if name in left or name not in changed
    ]
    return (*replaced, *((name, value.encode()) for name, value in left.items()))


def number_in(value: bytes | None) -> int | None:
    """Return the whole number in a header's value, or None where it is not one of at most `MAX_DIGITS` digits."""
    if value is None or not value.isdigit() or len(value) > MAX_DIGITS:
        return None
    return int(value)


def due_at_ms(headers: Headers) -> int | None:
    """Return the due time in milliseconds since the epoch, or None where the header can't be read."""
    for name, value in headers:
        if name == "due-at-ms":
            return number_in(value)
    return None
