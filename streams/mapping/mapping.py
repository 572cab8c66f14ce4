"""A record of a mapped topic becomes our event, is passed over, or is refused with every fault. No I/O but the schemas'.

What comes out is canonical: the same event of payment core gives the same bytes, whatever its envelope was.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.strict_json import MalformedJson, loads
from streams.mapping.avro import AvroDecoder, split_schema_id
from streams.mapping.avro_schema import Undecodable
from streams.mapping.cloud_events import CloudEvent, InvalidCloudEvent, read_cloud_event
from streams.mapping.conversions import Unconvertible
from streams.mapping.expressions import Document
from streams.mapping.file import (
    TOMBSTONES,
    EventKind,
    MappingFileError,
    TopicMapping,
    read_mapping_file,
)
from streams.mapping.registry import SchemaId, SchemaRegistry, registry_of
from streams.notification.notification import Headers
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record of a source topic as payment core wrote it.

    Attributes:
        topic: that it was written to.
        headers: its own, under their own names.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class MappedEvent:
    """Our event, made of a record.

    Attributes:
        members: as JSON has them.
        faults: what could not be made of it, by path, without values.
        canonical: its bytes, the same for the same members.
        traceparent: the trace context that a CloudEvent has itself, or None.
    """

    members: Mapping[str, Any]
    faults: Mapping[str, str]
    canonical: bytes = b""
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A record that the mapping lists as not ours or not final.

    Attributes:
        rule: by which it is passed over.
    """

    rule: str


class SchemaNeeded(Exception):  # noqa: N818  # what it says
    """A record whose schema has to be fetched first."""

    def __init__(self, schema: SchemaId) -> None:
        self.schema = schema
        super().__init__(str(schema))


@dataclass(slots=True)
class EventMapping:
    """The mapping file.

    Attributes:
        topics: what it says of each topic.
        registry: where schemas come from, or None.
    """

    topics: Mapping[str, TopicMapping]
    registry: SchemaRegistry | None = None
    _decoder: AvroDecoder = field(default_factory=AvroDecoder, init=False)

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of every rule by which something is passed over."""
        named = {rule for topic in self.topics.values() for rule in topic.pass_over}
        if any(topic.tombstones_pass for topic in self.topics.values()):
            named.add(TOMBSTONES)
        return tuple(sorted(named))

    def read(self, record: SourceRecord) -> MappedEvent | PassedOver:
        """Make our event of a record.

        Raises:
            SchemaNeeded: of its Avro; to be fetched from the registry before it is read again.
        """
        topic = self.topics[record.topic]
        if record.value is None and topic.tombstones_pass:
            return PassedOver(TOMBSTONES)
        cloud_event: CloudEvent | None = None
        try:
            if topic.format == "cloudevents":
                cloud_event = read_cloud_event(record.headers, record.value)
            document = self._document(topic, record, cloud_event)
        except (InvalidCloudEvent, MalformedJson, Undecodable, Unconvertible) as error:
            return MappedEvent({}, {"event": str(error)})
        try:
            for name, rule in topic.pass_over.items():
                if rule.holds(document):
                    return PassedOver(name)
            kind = next((k for k in topic.kinds if k.when is None or k.when.holds(document)), None)
        except Unconvertible as error:
            return MappedEvent({}, {"event": f"a rule of the mapping: {error}"})
        return _mapped(kind, document, cloud_event)

    def read_waiting(self, record: SourceRecord) -> MappedEvent | PassedOver:
        """Make our event of a record, and fetch its schema where it needs one; blocks for seconds then.

        Raises:
            SchemaUnavailable: the registry does not give it.
        """
        while True:
            try:
                return self.read(record)
            except SchemaNeeded as needed:
                assert self.registry is not None  # noqa: S101  # else no schema is needed
                self.registry.fetch(needed.schema)

    def _document(
        self, topic: TopicMapping, record: SourceRecord, cloud_event: CloudEvent | None
    ) -> Document:
        document: dict[str, Any] = {
            "key": _text(record.key),
            "headers": {name: _text(value) for name, value in record.headers},
            "attributes": {} if cloud_event is None else cloud_event.attributes,
        }
        if cloud_event is not None:
            data = cloud_event.data
            document["data"] = self._avro(data, record.headers) if cloud_event.is_avro else data
        elif record.value is None:
            message = (
                "a tombstone; expected an event (tombstones: pass_over, where there may be some)"
            )
            raise Undecodable(message)
        elif topic.format == "avro":
            document["data"] = self._avro(record.value, record.headers)
        else:
            document["data"] = loads(record.value, exact=True)
        for name, expression in topic.unpack.items():
            packed = expression.value(document)
            try:
                document[name] = (
                    loads(packed.encode(), exact=True) if isinstance(packed, str) else packed
                )
            except MalformedJson as error:
                message = f"unpack.{name}: {error}"
                raise Unconvertible(message) from None
        return document

    def _avro(self, value: bytes | None, headers: Headers) -> Any:  # noqa: ANN401  # whatever the schema says
        schema, encoded = split_schema_id(value or b"", headers)
        if self.registry is None:
            message = "Avro, and no NOTIFIER_SCHEMA_REGISTRY_URL"
            raise Undecodable(message)
        registered = self.registry.known(schema)
        if registered is None:
            raise SchemaNeeded(schema)
        return self._decoder.decode(registered, encoded)


def _mapped(
    kind: EventKind | None, document: Document, cloud_event: CloudEvent | None
) -> MappedEvent:
    if kind is None:
        fault = "an event that the mapping knows no event for (events, when) and no rule passes over (pass_over)"
        return MappedEvent({}, {"event": fault})
    faults: dict[str, str] = {}
    members = kind.members.read(document, "", faults)
    if cloud_event is None:
        return MappedEvent(members, faults, _canonical(members))
    members.setdefault("eventId", cloud_event.identity)
    if "occurredAt" not in faults and (time := cloud_event.attributes.get("time")):
        members.setdefault("occurredAt", time)
    traceparent = cloud_event.attributes.get("traceparent")
    return MappedEvent(members, faults, _canonical(members), traceparent)


def mapping_of(settings: Settings) -> EventMapping | None:
    """Return the mapping that the settings name, or None without one. Blocks.

    Raises:
        MappingFileError: it can't be used; with every fault.
    """
    if settings.event_mapping is None:
        return None
    topics = read_mapping_file(settings.event_mapping)
    faults = [
        f"topics.{topic}: seen in the event mapping, expected one of NOTIFIER_SOURCE_TOPICS"
        for topic in sorted(topics.keys() - set(settings.source_topics))
    ]
    faults += [
        f"topics.{name}.format: seen avro, expected NOTIFIER_SCHEMA_REGISTRY_URL with it"
        for name, topic in topics.items()
        if topic.format == "avro" and settings.schema_registry_url is None
    ]
    if faults:
        raise MappingFileError(faults)
    return EventMapping(topics, registry_of(settings))


def _canonical(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "backslashreplace")
