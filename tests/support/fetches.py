"""Fetches as they go over the wire: made by hand, or heard where consumers make theirs."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v11

_MOST_BYTES = 1 << 20


class RawFetch(FetchRequest):  # type: ignore[misc]  # aiokafka ships no types
    """A fetch that says of its session what it is told.

    Args:
        topic: of all that it names.
        positions: by partition, the offset from which on it is read.
        number: of the session.
        epoch: in it; 0 for a new one, -1 for none.
        forgotten: the partitions that are wanted no more.
        wait_ms: how long the broker may wait for records.
    """

    def __init__(self, topic, positions, number, epoch, forgotten=(), *, wait_ms=100):  # noqa: PLR0913  # what it says
        parts = [(partition, offset, _MOST_BYTES) for partition, offset in positions.items()]
        super().__init__(wait_ms, 1, _MOST_BYTES, 1, [(topic, parts)] if parts else [])
        self._more = number, epoch, [(topic, list(forgotten))] if forgotten else []

    def build(self, request_struct_class):
        """Return what goes over the wire."""
        built = super().build(request_struct_class)
        built.session_id, built.session_epoch, built.forgotten_topics_data = self._more
        return built


@dataclass(frozen=True, slots=True)
class Heard:
    """One fetch.

    Attributes:
        number: of its session.
        epoch: of it in that.
        named: topic and number of each partition that it names.
        forgotten: of each that is wanted no more.
        size: in bytes, without the head that each request has.
    """

    number: int
    epoch: int
    named: frozenset[tuple[str, int]]
    forgotten: frozenset[tuple[str, int]]
    size: int

    @property
    def is_whole(self) -> bool:
        """Whether it names everything that is wanted."""
        return self.epoch < 1


@contextmanager
def overheard():
    """Give the list of all fetches of this process, to which each new one is added."""
    heard: list[Heard] = []
    encode = FetchRequest_v11.encode

    def listening(request):
        raw = encode(request)
        heard.append(
            Heard(
                request.session_id,
                request.session_epoch,
                frozenset((topic, part[0]) for topic, parts in request.topics for part in parts),
                frozenset((topic, one) for topic, ones in request.forgotten_topics_data for one in ones),
                len(raw),
            )
        )  # fmt: skip
        return raw

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FetchRequest_v11, "encode", listening)
        yield heard
