"""CloudEvents 1.0 as Kafka carries them: structured in one JSON object, or binary in headers and value.

https://github.com/cloudevents/spec: `spec.md`, `formats/json-format.md`, `bindings/kafka-protocol-binding.md`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.strict_json import MalformedJson, loads
from streams.mapping.conversions import CONTROL, Unusable
from streams.notification.notification import Headers

LONGEST_ID: Final = 64
"""Of an event's id, by the contract."""

_REQUIRED: Final = ("id", "source", "specversion", "type")
_STRUCTURED: Final = "application/cloudevents"
_CONTENT_TYPE: Final = "content-type"
_BINARY_PREFIX: Final = "ce_"
_JSON: Final = re.compile(r"[^;]*[/+]json")
_AVRO: Final = re.compile(r"(application|avro)/([^;]*\+)?(avro|binary)")
_LONGEST_ATTRIBUTE: Final = 4096


class InvalidCloudEvent(ValueError):  # noqa: N818  # named after what it says about the record
    """A record that is no CloudEvent that can be read: what was seen, without values, and what was expected."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """A CloudEvent.

    Attributes:
        attributes: by name, as text, or `Unusable` where they are none; the required ones are text.
        data: decoded JSON, or bytes that are still to be decoded.
        is_avro: whether these bytes are Avro.
        fault: why its data can't be read, or None; harmless where its attributes say that it is not ours.
    """

    attributes: Mapping[str, Any]
    data: Any
    is_avro: bool = False
    fault: str | None = None

    @property
    def identity(self) -> str:
        """What identifies it, as our event id: `source|id`, or the SHA-256 of that where it is longer than 64.

        A source is a URI reference, in which `|` can't stand; so no two pairs have one text.
        """
        text = f"{self.attributes['source']}|{self.attributes['id']}"
        return text if len(text) <= LONGEST_ID else hashlib.sha256(text.encode()).hexdigest()


def read_cloud_event(headers: Headers, value: bytes | None) -> CloudEvent:
    """Read a record as a CloudEvent, in the mode that its content type says.

    Raises:
        InvalidCloudEvent: it is none.
    """
    texts = _texts(headers)
    content_type = str(texts.get(_CONTENT_TYPE, "")).strip().lower()
    if content_type.startswith(_STRUCTURED):
        if content_type.partition(";")[0].strip() != f"{_STRUCTURED}+json":
            message = (
                f"a structured CloudEvent in another format than JSON; expected {_STRUCTURED}+json"
            )
            raise InvalidCloudEvent(message)
        return _structured(value)
    return _binary(texts, content_type, value)


def _structured(value: bytes | None) -> CloudEvent:
    if value is None:
        message = "a tombstone; expected one JSON object"
        raise InvalidCloudEvent(message)
    try:
        members = loads(value, exact=True)
    except MalformedJson as error:
        raise InvalidCloudEvent(str(error)) from None
    if not isinstance(members, dict):
        message = "expected one JSON object"
        raise InvalidCloudEvent(message)
    data = members.pop("data", None)
    packed = members.pop("data_base64", None)
    attributes = {name: _attribute(said) for name, said in members.items() if said is not None}
    _check(attributes)
    if packed is None:
        return CloudEvent(attributes, data)
    try:
        raw = base64.b64decode(packed, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return CloudEvent(attributes, None, fault="data_base64 is no Base64")
    if data is not None:
        fault = "both data and data_base64; expected one of them"
        return CloudEvent(attributes, None, fault=fault)
    return _with_data(attributes, str(attributes.get("datacontenttype", "")), raw)


def _binary(
    texts: Mapping[str, str | Unusable], content_type: str, value: bytes | None
) -> CloudEvent:
    attributes = {
        name.removeprefix(_BINARY_PREFIX): _attribute(text)
        for name, text in texts.items()
        if name.startswith(_BINARY_PREFIX)
    }
    if not attributes:
        message = (
            f"no CloudEvent: expected the header content-type {_STRUCTURED}+json, or headers {_BINARY_PREFIX}id,"
            f" {_BINARY_PREFIX}source, {_BINARY_PREFIX}specversion and {_BINARY_PREFIX}type"
        )
        raise InvalidCloudEvent(message)
    if content_type:
        attributes["datacontenttype"] = content_type
    _check(attributes)
    return _with_data(attributes, content_type, value)


def _with_data(attributes: Mapping[str, Any], content_type: str, raw: bytes | None) -> CloudEvent:
    kind = content_type.strip().lower()
    if _AVRO.match(kind):
        return CloudEvent(attributes, raw, is_avro=True)
    if kind and not _JSON.match(kind):
        fault = "data in a format that is not read; expected JSON or Avro (datacontenttype)"
        return CloudEvent(attributes, None, fault=fault)
    if not raw:
        return CloudEvent(attributes, None)
    try:
        return CloudEvent(attributes, loads(raw, exact=True))
    except MalformedJson as error:
        return CloudEvent(attributes, None, fault=f"data: {error}")


def _check(attributes: Mapping[str, Any]) -> None:
    for name in _REQUIRED:
        said = attributes.get(name)
        if isinstance(said, Unusable):
            message = f"{name}: {said.why}"
            raise InvalidCloudEvent(message)
    missing = [name for name in _REQUIRED if not attributes.get(name)]
    if missing:
        message = f"a CloudEvent without {', '.join(missing)}"
        raise InvalidCloudEvent(message)
    if attributes["specversion"] != "1.0":
        message = "a CloudEvent of another specversion; expected 1.0"
        raise InvalidCloudEvent(message)
    source = attributes["source"]
    if "|" in source or any(character.isspace() for character in source):
        message = "a source that is no URI reference: it has a blank or |"
        raise InvalidCloudEvent(message)


def _attribute(value: object) -> str | Unusable:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Unusable):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST_ATTRIBUTE:
        return Unusable(f"an attribute that is no text of up to {_LONGEST_ATTRIBUTE} characters")
    if CONTROL.search(value):
        return Unusable("an attribute with control characters, which the specification forbids")
    return value


def _texts(headers: Headers) -> dict[str, str | Unusable]:
    """Return the headers that say something about a CloudEvent, by name in small letters."""
    texts: dict[str, str | Unusable] = {}
    for written, raw in headers:
        name = written.lower()
        if raw is None or not (name == _CONTENT_TYPE or name.startswith(_BINARY_PREFIX)):
            continue
        try:
            text: str | Unusable = raw.decode()
        except UnicodeDecodeError:
            text = Unusable("a header of the CloudEvent that is no UTF-8")
        seen = texts.get(name)
        if isinstance(seen, Unusable):
            continue
        if seen is not None and (isinstance(text, Unusable) or seen != text):
            text = Unusable(
                "a header of the CloudEvent that stands there twice, each time otherwise"
            )
        texts[name] = text
    content_type = texts.get(_CONTENT_TYPE)
    if isinstance(content_type, Unusable):  # nobody could say what the rest is
        message = f"{_CONTENT_TYPE}: {content_type.why}"
        raise InvalidCloudEvent(message)
    return texts
