"""A record of a mapped topic becomes our event, is passed over, or is refused with every fault. No I/O but the schemas'.

What comes out is canonical: the same event of payment core gives the same bytes, whatever its envelope was.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NoReturn

from schemas.strict_json import MalformedJson, loads
from streams.mapping.avro import ID_BYTES, AvroDecoder, split_schema_id
from streams.mapping.avro_schema import Undecodable
from streams.mapping.cloud_events import CloudEvent, InvalidCloudEvent, read_cloud_event
from streams.mapping.conversions import CONTROL, Unconvertible, Unusable
from streams.mapping.expressions import Document, Expression
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

_WITH_SCHEMA_ID: Final = (
    "no JSON: five bytes stand before it, as of a schema registry (a zero byte and four of the schema's id); what is Avro"
    " is read with format: avro, JSON without these bytes only"
)


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


class UnreadablePart(Exception):  # noqa: N818  # what it says
    """A part of a record that an expression reads can't be read: why, without values."""


class _Parts(Mapping[str, Any]):
    """What expressions see of a record, each part made when the first expression reads it.

    A rule passes over what is not ours whatever else stands there: data in a format that nobody reads, a schema that
    nobody has.
    """

    def __init__(self) -> None:
        self.makers: dict[str, Callable[[], Any]] = {}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  # whatever stands there
        if name not in self._made:
            make = self.makers[name]
            try:
                self._made[name] = make()
            except (AttributeError, KeyError) as error:
                # To JMESPath and `Mapping.get` these would say that nothing stands there.
                message = f"{name}: reading it fails with {type(error).__name__}"
                raise UnreadablePart(message) from error
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)


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
        no_cloud_event: str | None = None
        if topic.format == "cloudevents":
            try:
                cloud_event = read_cloud_event(record.headers, record.value)
            except InvalidCloudEvent as error:  # a rule may pass it over by its key or headers
                no_cloud_event = str(error)
        try:
            document = self._document(topic, record, cloud_event, no_cloud_event)
            rule = _passed_over(topic, document)
            if rule is not None:
                return PassedOver(rule)
            if cloud_event is None:
                # What is not passed over has to be of its format, whoever reads it.
                document["data"]
            kind = next((k for k in topic.kinds if k.when is None or k.when.holds(document)), None)
            return _mapped(kind, document, cloud_event)
        except UnreadablePart as error:
            return MappedEvent({}, {"event": str(error)})
        except Unconvertible as error:
            return MappedEvent({}, {"event": f"a rule of the mapping: {error}"})

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
        self,
        topic: TopicMapping,
        record: SourceRecord,
        cloud_event: CloudEvent | None,
        no_cloud_event: str | None,
    ) -> Document:
        parts = _Parts()
        parts.makers["key"] = partial(_text, record.key)
        parts.makers["headers"] = lambda: {name: _text(value) for name, value in record.headers}
        parts.makers["attributes"] = lambda: {} if cloud_event is None else cloud_event.attributes
        parts.makers["data"] = partial(self._data, topic.format, record, cloud_event)
        if no_cloud_event is not None:
            parts.makers["attributes"] = parts.makers["data"] = partial(_refuse, no_cloud_event)
        for name, expression in topic.unpack.items():
            before = _Parts()
            before.makers = {seen: partial(parts.__getitem__, seen) for seen in parts.makers}
            parts.makers[name] = partial(_unpacked, name, expression, before)
        return parts

    def _data(self, kind: str, record: SourceRecord, cloud_event: CloudEvent | None) -> Any:  # noqa: ANN401  # whatever stands there
        try:
            if cloud_event is not None:
                if cloud_event.fault is not None:
                    raise UnreadablePart(cloud_event.fault)
                data = cloud_event.data
                return self._avro(data, record.headers) if cloud_event.is_avro else data
            if record.value is None:
                message = "a tombstone; expected an event (tombstones: pass_over, where there may be some)"
                raise UnreadablePart(message)
            if kind == "avro":
                return self._avro(record.value, record.headers)
            try:
                return loads(record.value, exact=True)
            except MalformedJson:
                if record.value[:1] == b"\0" and len(record.value) > ID_BYTES:
                    raise MalformedJson(_WITH_SCHEMA_ID) from None
                raise
        except (MalformedJson, Undecodable) as error:
            raise UnreadablePart(str(error)) from None

    def _avro(self, value: bytes | None, headers: Headers) -> Any:  # noqa: ANN401  # whatever the schema says
        schema, encoded = split_schema_id(value or b"", headers)
        if self.registry is None:
            message = "Avro, and no NOTIFIER_SCHEMA_REGISTRY_URL"
            raise Undecodable(message)
        registered = self.registry.known(schema)
        if registered is None:
            raise SchemaNeeded(schema)
        return self._decoder.decode(registered, encoded)


def _passed_over(topic: TopicMapping, document: Document) -> str | None:
    """Return the first rule that holds. One that can't be told, for want of what it reads, keeps no other from holding."""
    untold: Exception | None = None
    for name, rule in topic.pass_over.items():
        try:
            if rule.holds(document):
                return name
        except (SchemaNeeded, Unconvertible, UnreadablePart) as error:
            # With its schema, which is to be fetched, a rule may yet hold.
            untold = error if untold is None or isinstance(error, SchemaNeeded) else untold
    if untold is not None:
        raise untold
    return None


def _unpacked(name: str, expression: Expression, document: Document) -> Any:  # noqa: ANN401  # whatever stands there
    try:
        packed = expression.value(document)
        if packed == "":
            return None
        return loads(packed.encode(), exact=True) if isinstance(packed, str) else packed
    except (MalformedJson, Unconvertible) as error:
        message = f"unpack.{name}: {error}"
        raise UnreadablePart(message) from None


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
    # What the mapping names comes from where it says: the envelope's id is another one.
    if "eventId" not in kind.members.of:
        members["eventId"] = cloud_event.identity
    time = cloud_event.attributes.get("time")
    if "occurredAt" not in kind.members.of:
        if isinstance(time, Unusable):
            faults["occurredAt"] = time.why
        elif time:
            members["occurredAt"] = time
    traceparent = cloud_event.attributes.get("traceparent")
    if isinstance(traceparent, Unusable):
        traceparent = ""  # none that can be read: it is left out, and counted
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


def _refuse(why: str) -> NoReturn:
    raise UnreadablePart(why)


def _text(raw: bytes | None) -> str | Unusable | None:
    if raw is None:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Unusable("bytes that are no UTF-8; expected text")
    if CONTROL.search(text):
        return Unusable("control characters, as in a binary number or in Avro; expected text")
    return text
