"""A consumer as one writes it first: aiokafka, httpx, a batch at a time, commit when the batch is done."""

import asyncio
import json
import signal

import httpx
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.peers.common import TIMEOUT_SECONDS, Desk


async def main() -> None:
    """Consume until SIGTERM."""
    desk = Desk()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    consumer = AIOKafkaConsumer(
        desk.topic,
        bootstrap_servers=desk.brokers,
        group_id=desk.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    limits = httpx.Limits(max_connections=desk.in_flight, max_keepalive_connections=desk.in_flight)
    # no limit on the wait for a connection: that is nobody's fault but the pool's own
    timeout = httpx.Timeout(TIMEOUT_SECONDS, pool=None)
    async with (
        consumer,
        AIOKafkaProducer(bootstrap_servers=desk.brokers, acks="all") as producer,
        httpx.AsyncClient(
            verify=desk.tls(), limits=limits, timeout=timeout, trust_env=False
        ) as client,
    ):
        while not stopped.is_set():
            batch = await consumer.getmany(timeout_ms=500, max_records=desk.in_flight)
            values = [record.value for records in batch.values() for record in records]
            await asyncio.gather(*(deliver(desk, client, producer, value) for value in values))
            if values:
                await consumer.commit()


async def deliver(
    desk: Desk, client: httpx.AsyncClient, producer: AIOKafkaProducer, value: bytes
) -> None:
    """Tell the partner, or leave it to the retry topic."""
    request = desk.request(json.loads(value))
    try:
        answer = await client.post(request.url, content=request.body, headers=request.headers)
        told = desk.is_told(request, answer.status_code, answer.headers, answer.content)
    except httpx.HTTPError:
        told = False
    if not told:
        await producer.send_and_wait(desk.retry_topic, value, request.order.encode())


if __name__ == "__main__":
    uvloop.run(main())
