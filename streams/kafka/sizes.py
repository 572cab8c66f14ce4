"""How large a record of ours may be, and what our topics must take for that."""

from typing import Final

MAX_RECORD_BYTES: Final = 1_000_000
"""The largest record we write; in a batch it is within Kafka's default `max.message.bytes` of 1048588, which was 1000012
before 2.5."""

_BATCH_HEAD_BYTES: Final = 61
LEAST_MESSAGE_BYTES: Final = MAX_RECORD_BYTES + _BATCH_HEAD_BYTES
"""What `max.message.bytes` of a topic of ours should be at least. On one that takes less, a notification that is within our
limits may not be able to wait for its next attempt, and is dead-lettered."""
