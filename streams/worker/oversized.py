"""Notifications too large to be written again: recognised before an attempt, and cut to what can be kept.

Pure: knows the form of our records.
"""

import hashlib

from streams.kafka.format.records import (
    RESERVED_HEADERS,
    OutRecord,
    dead_letter_headers,
    header_size,
    notification_record,
)
from streams.kafka.sizes import MAX_RECORD_BYTES
from streams.notification.decision import DeadLetter, DeadLetterReason
from streams.notification.notification import Notification

OVERSIZED_KEPT_BYTES = 65_536
_HEADER_ROOM_BYTES = (
    16_384  # what later records of the same notification may add: outcome, reason, detail, digest
)
_SURELY_FITS_BYTES = 256 * 1024
_KEPT_HEADERS = 64
_KEPT_HEADER_BYTES = 4096


def fits(notification: Notification) -> bool:
    """Tell whether every later record of this notification will be within what the broker takes."""
    if len(notification.body) < _SURELY_FITS_BYTES and not notification.extra_headers:
        return True  # all that is left has bounds of its own
    return notification_record("", notification).size_bytes <= MAX_RECORD_BYTES - _HEADER_ROOM_BYTES


def cut_dead_letter(whole: OutRecord, dead_letter: DeadLetter) -> tuple[OutRecord, DeadLetter]:
    """Return what is kept of a dead letter that is too large: the first 64 KiB, and what the whole was.

    Args:
        whole: the record; its last two headers say why it is a dead letter.
        dead_letter: the same why.
    """
    value, key = whole.value or b"", whole.key
    digest = hashlib.sha256(value).hexdigest()
    detail = f"{dead_letter.detail}; the whole value has {len(value)} bytes and SHA-256 {digest}"
    # Headers can be what is too large: ours are short and come first, the origin before all.
    short = [header for header in whole.headers[:-2] if header_size(header) <= _KEPT_HEADER_BYTES]
    short.sort(key=lambda header: (header[0] != "origin", header[0] not in RESERVED_HEADERS))
    kept = tuple(short[:_KEPT_HEADERS])
    kept += (("value-sha256", digest.encode()), ("value-length", str(len(value)).encode()))
    kept += dead_letter_headers(DeadLetterReason.OVERSIZED, detail)
    key = key if key is None or len(key) <= _KEPT_HEADER_BYTES else None
    return OutRecord(whole.topic, key, value[:OVERSIZED_KEPT_BYTES], kept), DeadLetter(
        DeadLetterReason.OVERSIZED, detail
    )
