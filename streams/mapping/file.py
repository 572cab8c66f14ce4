"""The mapping file as it is written (docs/event-mapping.md), read and checked as a whole."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from schemas.event import Event
from schemas.fields import Body
from streams.mapping.conversions import UNITS
from streams.mapping.expressions import Constant, Expression, Members, Rule, Source
from streams.mapping.fixed_text import Path as MemberPath
from streams.mapping.fixed_text import body_of, fault_of, is_text
from streams.partners.yaml_text import InvalidYaml, TypedText, read_yaml
from streams.redaction import shown_path
from streams.secret_files import why_others_write

FORMATS: Final = ("json", "avro", "cloudevents")
TOMBSTONES: Final = "tombstones"
"""The rule by which records without a value are passed over, where the mapping says so."""

_OF_DOCUMENT: Final = frozenset({"data", "key", "headers", "attributes"})
_TOPIC_KEYS: Final = ("format", "unpack", "pass_over", "tombstones", "event", "events")
_SOURCE_KEYS: Final = ("from", "table", "otherwise", "time", "minor_units_of")
_BOOLEANS: Final = ("true", "false")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_UNPACKED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")

T = TypeVar("T")


class MappingFileError(ValueError):
    """A mapping file that can't be used. `faults` has a sentence each: where, what was seen, what was expected."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event on a topic, and what becomes of it.

    Attributes:
        when: what it is recognised by, or None where it is every event.
        members: of our event.
    """

    when: Rule | None
    members: Members


@dataclass(frozen=True, slots=True)
class TopicMapping:
    """What the file says of one topic.

    Attributes:
        format: of its records, one of `FORMATS`.
        unpack: names for JSON that stands as text in a record, each with where it stands, which may be in those before it.
        pass_over: the rules by which events are passed over, by name.
        tombstones_pass: whether records without a value are passed over.
        kinds: of events; the first that fits.
    """

    format: str
    unpack: Mapping[str, Expression]
    pass_over: Mapping[str, Rule]
    tombstones_pass: bool
    kinds: tuple[EventKind, ...]


def read_mapping_file(path: Path) -> dict[str, TopicMapping]:
    """Return what a mapping file says, by topic. Blocks.

    Raises:
        MappingFileError: with every fault.
    """
    named = shown_path(path).strip("'")
    try:
        exposed = why_others_write(path)
        if exposed is not None:  # whoever writes it decides what partners are told
            raise MappingFileError([f"{named}: {exposed}"])
        content = read_yaml(path.read_bytes())
    except OSError as error:
        fault = f"{named}: expected a file that can be read ({error.strerror})"
        raise MappingFileError([fault]) from error
    except InvalidYaml as error:
        raise MappingFileError([f"{named}: {fault}" for fault in error.faults]) from error
    reader = _Reader()
    topics = reader.file(content)
    if reader.faults:
        raise MappingFileError(reader.faults)
    return topics


class _Reader:
    """Reads the parts of a file; takes down every fault and goes on."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._names: frozenset[str] = _OF_DOCUMENT
        self._body: type[Body] | None = None

    def file(self, content: object) -> dict[str, TopicMapping]:
        topics = content.get("topics") if isinstance(content, dict) else None
        if not isinstance(topics, dict) or not topics or not isinstance(content, dict):
            self.faults.append("topics: expected a mapping from topics to what their events are")
            return {}
        self._only(content, ("topics",), "the top")
        found: dict[str, TopicMapping] = {}
        for topic, written in topics.items():
            location = f"topics.{topic}"
            if isinstance(written, dict):
                found[str(topic)] = self._topic(written, location)
            else:
                self.faults.append(f"{location}: expected format and event")
        return found

    def _topic(self, written: dict[Any, Any], location: str) -> TopicMapping:
        self._only(written, _TOPIC_KEYS, location)
        kind = self._one_of(written.get("format", "json"), FORMATS, f"{location}.format")
        tombstones = written.get(TOMBSTONES)
        if tombstones is not None:
            self._one_of(tombstones, ("pass_over",), f"{location}.{TOMBSTONES}")
        self._names = _OF_DOCUMENT
        unpack = self._unpack(written.get("unpack"), f"{location}.unpack")
        for name in _OF_DOCUMENT.intersection(unpack):
            self.faults.append(f"{location}.unpack.{name}: this name means something already")
        rules = self._each(written.get("pass_over"), f"{location}.pass_over", _NAME, self._rule)
        if TOMBSTONES in rules:
            self.faults.append(
                f"{location}.pass_over.{TOMBSTONES}: expected the key {location}.{TOMBSTONES} instead"
            )
        return TopicMapping(
            kind,
            {name: said for name, said in unpack.items() if said is not None},
            {name: said for name, said in rules.items() if said is not None},
            tombstones is not None,
            self._kinds(written, location, with_id=kind != "cloudevents"),
        )

    def _unpack(self, written: object, location: str) -> dict[str, Expression | None]:
        """Read `unpack`; each of its expressions may begin with the names before it."""
        if not isinstance(written, dict):
            return self._each(written, location, _UNPACKED, self._expression)
        unpack: dict[str, Expression | None] = {}
        for name, said in written.items():
            unpack |= self._each({name: said}, location, _UNPACKED, self._expression)
            self._names |= {str(name)}
        return unpack

    def _kinds(
        self, written: dict[Any, Any], location: str, *, with_id: bool
    ) -> tuple[EventKind, ...]:
        if ("event" in written) == ("events" in written):
            self.faults.append(
                f"{location}: expected either event, or events with a list of when and event"
            )
            return ()
        if "event" in written:
            members = self._event(written["event"], f"{location}.event", with_id=with_id)
            return (EventKind(None, members),)
        if not isinstance(written["events"], list) or not written["events"]:
            self.faults.append(f"{location}.events: expected a list of when and event")
            return ()
        kinds = []
        for number, entry in enumerate(written["events"]):
            at = f"{location}.events[{number}]"
            if not isinstance(entry, dict):
                self.faults.append(f"{at}: expected when and event")
                continue
            self._only(entry, ("when", "event"), at)
            rule = self._rule(entry.get("when"), f"{at}.when")
            members = self._event(entry.get("event"), f"{at}.event", with_id=with_id)
            kinds.append(EventKind(rule, members))
        return tuple(kinds)

    def _event(self, written: object, location: str, *, with_id: bool) -> Members:
        if not isinstance(written, dict):
            self.faults.append(
                f"{location}: expected our event's members, each with where it comes from"
            )
            return Members()
        self._only(written, tuple(Event.table), location)
        needed = ["profile", "partnerId", "outcome", "payment"]
        needed += ["eventId", "occurredAt"] if with_id else []
        self.faults += [
            f"{location}.{name}: missing; expected where it comes from"
            for name in needed
            if name not in written
        ]
        self._body = body_of(written)
        return self._members(written, location, ())

    def _members(self, written: dict[Any, Any], location: str, path: MemberPath) -> Members:
        made: dict[str, Constant | Source | Members] = {}
        for name, said in written.items():
            member = self._member(said, f"{location}.{name}", (*path, str(name)))
            if member is not None:
                made[str(name)] = member
        return Members(made)

    def _member(
        self, said: object, location: str, path: MemberPath
    ) -> Constant | Source | Members | None:
        if isinstance(said, TypedText):
            expression = self._expression(said, location)
            return None if expression is None else Source(expression)
        if not isinstance(said, dict) or not said:
            self.faults.append(
                f"{location}: expected an expression, from, constant, or an object's members"
            )
            return None
        if "constant" in said:
            self._only(said, ("constant",), location)
            self._check_fixed(said["constant"], f"{location}.constant", path)
            return Constant(str(said["constant"]))
        if "from" in said:
            return self._source(said, location, path)
        beside = [name for name in _SOURCE_KEYS if name in said]
        if beside or is_text(path, self._body):
            seen = f"seen {', '.join(map(str, said))}; " if len(said) <= len(_SOURCE_KEYS) else ""
            self.faults.append(f"{location}: {seen}expected from with an expression, or constant")
            return None
        return self._members(said, location, path)

    def _check_fixed(self, said: object, location: str, path: MemberPath) -> None:
        """Check a text that a member may become; nobody writes an empty one, and YAML's null is no text."""
        if not isinstance(said, TypedText) or not said:
            self.faults.append(f"{location}: expected text")
        elif _is_null(said):
            self.faults.append(f"{location}: seen {said} without quotes; expected text")
        elif (fault := fault_of(path, str(said), self._body)) is not None:
            self.faults.append(f"{location}: {fault}")

    def _source(self, said: dict[Any, Any], location: str, path: MemberPath) -> Source | None:
        self._only(said, _SOURCE_KEYS, location)
        conversions = [name for name in ("table", "time", "minor_units_of") if name in said]
        if len(conversions) > 1:
            self.faults.append(
                f"{location}: {' and '.join(conversions)} together; expected one of them"
            )
        if "otherwise" in said:
            self._one_of(said["otherwise"], ("keep",), f"{location}.otherwise")
            if "table" not in said:
                self.faults.append(f"{location}.otherwise: expected beside a table")
        unit = said.get("time")
        currency = said.get("minor_units_of")
        expression = self._expression(said["from"], f"{location}.from")
        source = Source(
            expression or Expression("data"),
            self._table(said["table"], f"{location}.table", path) if "table" in said else None,
            "otherwise" in said,
            None if unit is None else self._one_of(unit, tuple(UNITS), f"{location}.time"),
            None if currency is None else self._expression(currency, f"{location}.minor_units_of"),
        )
        return None if expression is None else source

    def _table(self, written: object, location: str, path: MemberPath) -> dict[str, str]:
        if not isinstance(written, dict) or not written:
            self.faults.append(f"{location}: expected what each value means")
            return {}
        self._check_listed(written, location)
        for key, meaning in written.items():
            self._check_fixed(meaning, f"{location}.{key}", path)
        return {str(key): str(meaning) for key, meaning in written.items()}

    def _rule(self, written: object, location: str) -> Rule | None:
        if not isinstance(written, dict):
            self.faults.append(f"{location}: expected from and in, a list of values")
            return None
        self._only(written, ("from", "in"), location)
        expression = self._expression(written.get("from"), f"{location}.from")
        values = written.get("in")
        if (
            not isinstance(values, list)
            or not values
            or not all(isinstance(v, TypedText) for v in values)
        ):
            self.faults.append(
                f"{location}.in: expected a list of the values for which the rule holds"
            )
            return None
        self._check_listed(values, f"{location}.in")
        return None if expression is None else Rule(expression, frozenset(map(str, values)))

    def _check_listed(self, values: Iterable[object], location: str) -> None:
        """Check values that a table or a rule lists: of what YAML takes for none or a boolean nobody knows what is meant."""
        for value in values:
            if not isinstance(value, TypedText) or not value.plain:
                continue
            if _is_null(value):
                self.faults.append(
                    f"{location}: seen {value or 'nothing'} without quotes; nothing is no value that can be listed,"
                    " expected text (in quotes where it is meant as text)"
                )
            elif value.kind == "bool" and value not in _BOOLEANS:
                self.faults.append(
                    f"{location}: seen {value} without quotes; expected true or false, or '{value}' in quotes where it"
                    " is text"
                )

    def _expression(self, written: object, location: str) -> Expression | None:
        if not isinstance(written, TypedText) or not written:
            self.faults.append(f"{location}: expected a JMESPath expression, like data.payment.id")
            return None
        try:
            expression = Expression(str(written))
        except ValueError as error:
            self.faults.append(f"{location}: {error}")
            return None
        self.faults += [
            f"{location}: there is no {name} that it begins with; expected one of {', '.join(sorted(self._names))}"
            for name in sorted(expression.roots - self._names)
        ]
        return expression

    def _each(
        self,
        written: object,
        location: str,
        name_like: re.Pattern[str],
        read: Callable[[object, str], T | None],
    ) -> dict[str, T | None]:
        if written is None:
            return {}
        if not isinstance(written, dict):
            self.faults.append(f"{location}: expected a mapping from names")
            return {}
        self.faults += [
            f"{location}.{name}: expected a name like {name_like.pattern}"
            for name in written
            if not name_like.fullmatch(str(name))
        ]
        return {str(name): read(said, f"{location}.{name}") for name, said in written.items()}

    def _one_of(self, written: object, values: tuple[str, ...], location: str) -> str:
        text = str(written)
        if text not in values:
            self.faults.append(f"{location}: expected {' or '.join(values)}")
        return text

    def _only(self, written: Mapping[Any, Any], known: tuple[str, ...], location: str) -> None:
        self.faults += [
            f"{location}.{key}: there is no such key; expected {', '.join(known)}"
            for key in written
            if str(key) not in known
        ]


def _is_null(written: TypedText) -> bool:
    return written.plain and written.kind == "null"
