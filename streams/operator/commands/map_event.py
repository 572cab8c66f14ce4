"""For `notifier check-event --mapping`: our event, made of a record of payment core's own form."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.operator.commands.common import fail, used_wrongly

if TYPE_CHECKING:
    from streams.mapping.mapping import MappedEvent
    from streams.settings import Settings

MappingFile = Annotated[
    Path | None,
    typer.Option("--mapping", help="The mapping file, for an event that is not of our own form."),
]
Topic = Annotated[
    str | None,
    typer.Option("--topic", help="The topic that it is for, where the mapping file has several."),
]
RecordKey = Annotated[
    str | None,
    typer.Option("--key", help="The record's key; without it the record has none."),
]
RecordHeaders = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        help="A header of the record, NAME=VALUE; may be repeated.",
        metavar="NAME=VALUE",
    ),
]


def map_event(
    settings: "Settings",
    file: Path,
    topic: str | None,
    key: str | None,
    value: bytes,
    headers: list[str],
) -> "MappedEvent | str":
    """Return our event, or the rule by which the record is passed over; say what is wrong with the file and exit with 1.

    Args:
        settings: for the schema registry.
        file: the mapping file.
        topic: that the record is of; None for the only one.
        key: the record's; None for none.
        value: the record's.
        headers: the record's, each as `NAME=VALUE`.
    """
    from streams.mapping.file import MappingFileError, read_mapping_file
    from streams.mapping.mapping import EventMapping, PassedOver, SourceRecord
    from streams.mapping.registry import SchemaUnavailable, registry_of

    try:
        topics = read_mapping_file(file)
    except MappingFileError as error:
        fail(*error.faults)
    if topic is None and len(topics) > 1:
        used_wrongly(f"--topic is needed: the mapping file has {', '.join(sorted(topics))}")
    topic = topic or next(iter(topics))
    if topic not in topics:
        used_wrongly(f"--topic: the mapping file has no {topic}, only {', '.join(sorted(topics))}")
    pairs = [header.partition("=") for header in headers]
    if not all(name and equals for name, equals, _ in pairs):
        used_wrongly("--header: expected NAME=VALUE")
    record = SourceRecord(
        topic,
        None if key is None else key.encode(),
        value,
        tuple((name, said.encode()) for name, _, said in pairs),
    )
    try:
        mapped = EventMapping(topics, registry_of(settings)).read_waiting(record)
    except SchemaUnavailable as error:
        fail(f"{error}; a worker would hold the event and ask again")
    return mapped.rule if isinstance(mapped, PassedOver) else mapped
