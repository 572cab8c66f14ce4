"""Every commit that consumer groups ever made, as the broker keeps them: the evidence for what a crash may repeat."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streams.kafka.committed_state import CommittedState
from streams.sandbox.ledger_evidence import read_topics

Tag = tuple[str, int]

_TOPIC = "__consumer_offsets"
_KEY_VERSIONS = (0, 1)  # of a commit; others are of groups and their members
_VALUE_VERSION = 4
_FULL_BYTES = 3900  # of a text that had no room for the next range


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of one partition.

    Attributes:
        at_ms: when the broker took it, by its clock.
        progress: what was settled, as far as the commit says.
        full: whether its metadata had no room for more.
    """

    at_ms: int
    progress: CommittedState
    full: bool = False

    def covers(self, offset: int) -> bool:
        """Tell whether it says that this record is settled."""
        return offset < self.progress.offset or offset in self.progress.finished


Commits = Mapping[Tag, Sequence[Commit]]
"""By topic and partition, in the order in which the broker took them."""


async def commits_of(bootstrap: str, groups: Sequence[str]) -> Commits:
    """Return what these groups have committed since the broker was made; no two may read the same topic."""
    found: dict[Tag, list[Commit]] = {}
    for record in await read_topics(bootstrap, [_TOPIC]):
        if record.key is None or record.value is None:
            continue
        (version,) = struct.unpack_from(">h", record.key)
        if version not in _KEY_VERSIONS:
            continue
        group, at = _text(record.key, 2)
        topic, at = _text(record.key, at)
        (partition,) = struct.unpack_from(">i", record.key, at)
        if group in groups:
            offset, metadata = _value(record.value)
            progress, full = CommittedState.read(offset, metadata), len(metadata) > _FULL_BYTES
            found.setdefault((topic, partition), []).append(
                Commit(record.timestamp_ms, progress, full)
            )
    return found


def _value(raw: bytes) -> tuple[int, str]:
    """Return offset and metadata; OffsetCommitValue.json in https://github.com/apache/kafka."""
    version, offset, _leader_epoch = struct.unpack_from(">hqi", raw)
    assert version == _VALUE_VERSION, f"a commit of version {version}, which this does not read"
    length, at = _varint(raw, 14)
    return offset, raw[at : at + length - 1].decode()


def _text(raw: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", raw, at)
    end = at + 2 + length
    return raw[at + 2 : end].decode(), end


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # the last byte has no high bit
            return value, at
