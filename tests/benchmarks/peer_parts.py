"""What the tests of the hand-written peers share."""

import asyncio
from random import Random  # noqa: TID251  # seeded: every run has the same payments
from types import SimpleNamespace

from streams.sandbox.payments import payment_event

SUCCEEDED = b'{"result":{"resultStatus":"S","resultCode":"SUCCESS"}}'


def event():
    """An event that keeps every rule."""
    rng = Random(1)  # noqa: S311  # no secret
    return payment_event("mpp-to-alipay-plus", rng=rng, notify_url="https://127.0.0.1:8443/notify")


class FakeProducer:
    """Keeps batches; the broker acknowledges them when it is told to."""

    def __init__(self):
        self.sent = []
        self.retries = []
        self.acknowledged = asyncio.get_running_loop().create_future()

    async def partitions_for(self, _topic):
        return {0, 1}

    def create_batch(self):
        records: list[tuple[bytes, bytes]] = []

        def append(*, key, value, timestamp):
            if len(records) == 20:
                return None
            records.append((key, value))
            return timestamp or records

        return SimpleNamespace(append=append, records=records)

    async def send_batch(self, batch, _topic, *, partition):
        self.sent.append((partition, batch.records))
        return self.acknowledged

    async def send_and_wait(self, topic, value, key):
        self.retries.append((topic, value, key))
