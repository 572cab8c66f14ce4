"""Writes cells with librdkafka, through confluent-kafka."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, Message, Producer

from tests.compatibility.work import Cell, Record, chunks, read_work

_SECONDS = 120.0


def write(bootstrap: str, topic: str, cell: Cell) -> None:
    """Write one cell."""
    settings: dict[str, str | int | float | bool] = {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "linger.ms": 20,
        "compression.type": cell.codec,
        "enable.idempotence": cell.mode != "plain",
    }
    if cell.mode == "transactional":
        settings["transactional.id"] = cell.name
    producer = Producer(settings)
    if cell.mode != "transactional":
        send(producer, topic, cell.records)
        return
    producer.init_transactions(_SECONDS)
    for commit, records in chunks(cell):
        producer.begin_transaction()
        send(producer, topic, records)
        if commit:
            producer.commit_transaction(_SECONDS)
        else:
            producer.abort_transaction(_SECONDS)


def send(producer: Producer, topic: str, records: Sequence[Record]) -> None:
    """Write records and wait for the broker's word for each."""
    failed: list[str] = []

    def heard(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failed.append(str(error))

    for record in records:
        producer.produce(
            topic, record.value, record.key, headers=list(record.headers), on_delivery=heard
        )
        producer.poll(0)
    left = producer.flush(_SECONDS)
    if left or failed:
        message = f"{left} records were not written, {len(failed)} refused: {failed[:3]}"
        raise RuntimeError(message)


def main() -> None:
    """Write what the command line names."""
    bootstrap, topic, cells = read_work()
    for cell in cells:
        write(bootstrap, topic, cell)


main()
