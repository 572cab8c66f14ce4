"""How large a record of ours may be, and what our topics must take for that."""

from typing import Final

MAX_RECORD_BYTES: Final = 1_000_000
"""The largest record we write; in a batch it is within the default `max.message.bytes` of any broker."""

_BATCH_HEAD_BYTES: Final = 61
LEAST_MESSAGE_BYTES: Final = MAX_RECORD_BYTES + _BATCH_HEAD_BYTES
"""What `max.message.bytes` of a topic of ours must be at least. On one that takes less, a notification that is within our
limits could not wait for its next attempt."""
