"""Reading a notification back from a record of ours: a tier's, or one of the replay topic.

Contract, section 4. Strict: a record whose headers are missing, malformed or contradictory says everything that is wrong
with it and is then dead-lettered as it is. What a newer version wrote and this one can't know is told apart from that.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from schemas.trace_context import LONGEST_TRACEPARENT
from streams.kafka.format.records import (
    FORMAT,
    MAX_DIGITS,
    ORIGIN_LENGTH,
    REPLAY_RUN_LENGTH,
    RESERVED_HEADERS,
    InRecord,
    number_in,
    unknown_headers,
)
from streams.notification.body import check_body
from streams.notification.notification import Headers, Notification
from streams.notification.profile import Profile
from streams.notification.profiles import PROFILES

_LATER_FORMAT: Final = re.compile(r"[1-9][0-9]{0,7}")
_PROFILE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")


class MalformedRecord(ValueError):  # noqa: N818  # what the record is
    """A record of ours that can't be read: every fault of it, none with a value."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


class NewerRecord(Exception):  # noqa: N818  # what the record is
    """A record of ours that a newer version wrote and this one can't know. What every version keeps could be read of it.

    Attributes:
        unknown: what this version does not know.
        parks: how often it was moved aside without an attempt.
        accepted_at_ms: when its event was read, milliseconds since the epoch.
    """

    def __init__(self, unknown: Literal["format", "profile"], parks: int, accepted: int) -> None:
        self.unknown = unknown
        self.parks = parks
        self.accepted_at_ms = accepted
        super().__init__(f"header {unknown}: of a newer version")


class _Reader:
    """Reads headers one by one and remembers every fault."""

    def __init__(self, headers: Headers) -> None:
        self.faults: list[str] = []
        self.unknown_profile = False
        self._values: dict[str, str] = {}
        for name, raw in headers:
            if name not in RESERVED_HEADERS:
                continue
            if name in self._values:
                self.faults.append(f"header {name}: stands more than once")
            if raw is None:
                self._values[name] = ""
                self.faults.append(f"header {name}: has no value")
                continue
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
        value = self.text(name, MAX_DIGITS)
        if len(value) > MAX_DIGITS or not value:
            return 0
        if not (value.isascii() and value.isdigit()):
            self.faults.append(f"header {name}: not a whole number")
            return 0
        return int(value)

    def optional_number(self, name: str) -> int | None:
        return self.number(name) if name in self._values else None

    def one_of(self, name: str, choices: Mapping[str, Profile]) -> Profile | None:
        value = self.text(name, 64)
        choice = choices.get(value)
        if choice is None:
            self.faults.append(f"header {name}: expected one of {', '.join(choices)}")
            self.unknown_profile = _PROFILE_NAME.fullmatch(value) is not None
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
        NewerRecord: a newer version wrote it, in a later format or for a profile that this one does not have.
        MalformedRecord: with every fault found.
    """
    read = _Reader(record.headers)
    if (form := read.text("format", 8)) and form != FORMAT:
        _check_not_later(form, record.headers)
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
    traceparent = read.optional("traceparent", LONGEST_TRACEPARENT)
    replay_run = read.optional("replay-run", REPLAY_RUN_LENGTH)
    if latest_due_ms is not None and due > latest_due_ms:
        read.faults.append("header due-at-ms: further away than this tier's wait")
    if attempt and first is None:
        read.faults.append("header first-attempt-at-ms: missing although an attempt was made")
    if url is not None:
        try:
            check_url(url)
        except ValueError as error:
            read.faults.append(f"header notify-url: {error}")
    order_id = _order_id(record, read.faults)
    result_code = None
    if profile is not None and record.value is not None and order_id:
        try:
            result_code = check_body(record.value, profile, order_id)
        except ValueError as error:
            read.faults.append(f"body: {error}")
    if read.unknown_profile and len(read.faults) == 1:
        raise NewerRecord("profile", parks, accepted)  # noqa: EM101  # the header's name
    if read.faults or profile is None or record.value is None:
        raise MalformedRecord(read.faults)
    return Notification(
        notification_id=notification_id,
        order_id=order_id,
        profile=profile,
        partner_id=partner_id,
        notify_url=url,
        body=record.value,
        result_code=result_code,
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


def _check_not_later(form: str, headers: Headers) -> None:
    """Raise `NewerRecord` for a later format, of which only what every format keeps can be read."""
    if _LATER_FORMAT.fullmatch(form) is None or int(form) <= int(FORMAT):
        return
    first = dict(reversed(headers))
    accepted = number_in(first.get("accepted-at-ms"))
    if accepted is None:
        fault = "header accepted-at-ms: not a whole number, which it is in every format"
        raise MalformedRecord([f"header format: this version reads format {FORMAT}", fault])
    parks = number_in(first.get("parks")) or 0
    raise NewerRecord("format", parks, accepted)  # noqa: EM101  # the header's name


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
