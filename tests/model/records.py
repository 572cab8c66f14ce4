"""The records of the small world: the worker's own, each kept once and known by its number."""

from collections.abc import Iterable
from functools import cache

from streams.kafka.format.records import InRecord, OutRecord
from streams.kafka.topics import TopicNames
from tests.model.handling import SOURCE, Facts, facts_of
from tests.unit.kit import event

NAMES = TopicNames("pn")


class Records:
    """All records that there are so far.

    Args:
        first: what stands on the partitions at the beginning.
    """

    names = NAMES

    def __init__(self, first: Iterable[OutRecord]) -> None:
        self._numbers: dict[OutRecord, int] = {}
        self._records: list[OutRecord] = []
        self.notifications = tuple(
            self.facts(self.number(record)).notification_id for record in first
        )

    def number(self, record: OutRecord) -> int:
        """Return a record's number; two that differ in nothing have the same."""
        if record not in self._numbers:
            self._numbers[record] = len(self._records)
            self._records.append(record)
        return self._numbers[record]

    def __getitem__(self, number: int) -> OutRecord:
        """Return a record."""
        return self._records[number]

    def facts(self, number: int) -> Facts:
        """Return what a record says."""
        record = self._records[number]
        return facts_of(record.topic, record.value or b"", record.headers)

    def read(self, number: int, partition: int, offset: int) -> InRecord:
        """Return a record as it is read."""
        return _read(self._records[number], partition, offset)


@cache
def _read(record: OutRecord, partition: int, offset: int) -> InRecord:
    return InRecord(record.topic, partition, offset, record.key, record.value, record.headers)


def payment(number: int) -> OutRecord:
    """Return the event of a payment."""
    name = f"payment-{number}"
    value = event("mpp-to-ant", eventId=name, payment={"paymentRequestId": f"order-{number}"})
    return OutRecord(SOURCE, b"order", value)
