"""Writes cells with aiokafka."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from tests.compatibility.work import Cell, Record, chunks, read_work


async def write(bootstrap: str, topic: str, cell: Cell) -> None:
    """Write one cell."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        linger_ms=20,
        compression_type=None if cell.codec == "none" else cell.codec,
        enable_idempotence=cell.mode != "plain",
        transactional_id=cell.name if cell.mode == "transactional" else None,
    )
    await producer.start()
    try:
        if cell.mode != "transactional":
            await send(producer, topic, cell.records)
            return
        for commit, records in chunks(cell):
            await producer.begin_transaction()
            await send(producer, topic, records)
            await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def send(producer: AIOKafkaProducer, topic: str, records: Sequence[Record]) -> None:
    """Write records and wait for the broker's word for each."""
    sent = [
        await producer.send(topic, record.value, record.key, headers=list(record.headers))
        for record in records
    ]
    await asyncio.gather(*sent)


async def main() -> None:
    """Write what the command line names."""
    bootstrap, topic, cells = read_work()
    for cell in cells:
        await write(bootstrap, topic, cell)


asyncio.run(main())
