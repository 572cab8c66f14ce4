"""Avro's binary encoding, read by a schema: https://avro.apache.org/docs/1.12.0/specification/.

Our own reader, because a record here is an instruction to tell a partner something: it must be exact (a decimal has all
of its digits, whatever precision its schema states), must refuse what is no value (an index below zero, a boolean of 7),
and must end, whatever a schema and five bytes ask for: a schema may name itself, and an array of nulls takes no bytes.
fastavro rounds, takes indexes from the end, and follows a schema until the process falls over.
"""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Context, Decimal
from struct import Struct
from typing import Any, Final
from uuid import UUID

from schemas.strict_json import MAX_DEPTH, MAX_DIGITS
from schemas.tidying import plain
from streams.mapping.conversions import UNITS, Unconvertible, Unusable, moment_text

MOST_VALUES: Final = 65_536
"""Members and elements of one record; one of our own events has fewer than half as many."""

_LONG_BITS: Final = 64
_INT: Final = 1 << 31
_LARGEST_DECIMAL: Final = MAX_DIGITS * 5 // 12  # bytes; a digit takes some 3.3 bits
_EXACT: Final = Context(prec=2 * MAX_DIGITS)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_ENDS: Final = "it ends too soon"
_MOMENTS: Final = {
    "timestamp-millis": UNITS["milliseconds"],
    "timestamp-micros": UNITS["microseconds"],
    "timestamp-nanos": UNITS["nanoseconds"],
}
_WITHOUT_MEANING: Final = {
    "local-timestamp-millis": "a local time without an offset",
    "local-timestamp-micros": "a local time without an offset",
    "local-timestamp-nanos": "a local time without an offset",
    "time-millis": "a time of day without a date",
    "time-micros": "a time of day without a date",
}
"""Logical types that are no moment; each with what it is."""


class Undecodable(ValueError):  # noqa: N818  # named after what it says about the bytes
    """Bytes that are no Avro record: what was seen, without values, and what was expected."""


class _Placed(ValueError):  # noqa: N818  # its kinds are named after what they say
    """Something is wrong in a part of a schema or a record.

    Attributes:
        path: of the part, from the inside out.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        self.path: list[str] = []
        super().__init__(why)

    def __str__(self) -> str:
        place = ".".join(plain(name) for name in reversed(self.path))
        return f"{place}: {self.why}" if place else self.why


class _Corrupt(_Placed):
    """The bytes are not of their schema."""


class _TooMuch(_Placed):
    """There is more of it than is read."""


class _NoSchema(_Placed):
    """It is no schema of Avro."""


class _Encoded:
    """Bytes that are being read, and how many more values may come of them."""

    __slots__ = ("at", "data", "values_left")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.values_left = MOST_VALUES

    def long(self) -> int:
        """Return a number in Avro's variable length."""
        data, at = self.data, self.at
        try:
            byte = data[at]
            at += 1
            found = byte & 0x7F
            shift = 7
            while byte > 0x7F:  # noqa: PLR2004  # the bit that says that there is more
                byte = data[at]
                at += 1
                found |= (byte & 0x7F) << shift
                if shift >= _LONG_BITS:
                    break
                shift += 7
        except IndexError:
            raise _Corrupt(_ENDS) from None
        if found >> _LONG_BITS or byte > 0x7F:  # noqa: PLR2004  # as above
            message = f"a number of more than {_LONG_BITS} bits"
            raise _Corrupt(message)
        self.at = at
        return (found >> 1) ^ -(found & 1)

    def take(self, size: int) -> bytes:
        """Return so many bytes."""
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise _Corrupt(_ENDS)
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def enter(self, depth: int, values: int) -> None:
        """Go into a record, array or map of so many values."""
        self.values_left -= values
        if depth >= MAX_DEPTH:
            message = f"more than {MAX_DEPTH} levels of records, arrays and maps"
            raise _TooMuch(message)
        if self.values_left < 0:
            message = f"more than {MOST_VALUES:,} values"
            raise _TooMuch(message)


Reader = Callable[[_Encoded, int], Any]
"""Reads a value; the number says how many records, arrays and maps it stands in."""


def decode(reader: Reader, encoded: bytes) -> Any:  # noqa: ANN401  # whatever the schema says
    """Return what a record holds.

    Decimals are exact; moments, dates and GUIDs are text as our event has it; what has no such form is `Unusable`, so that
    it does no harm where nobody uses it.

    Raises:
        Undecodable: the bytes are not of the schema, or there is more than is read.
    """
    source = _Encoded(encoded)
    try:
        found = reader(source, 0)
    except _Corrupt as fault:
        message = f"its bytes are not of its schema: {fault}"
        raise Undecodable(message) from None
    except _TooMuch as fault:
        raise Undecodable(str(fault)) from None
    if source.at != len(encoded):
        message = "more bytes than its schema has"
        raise Undecodable(message)
    return found


def reader_of(schemas: Sequence[Any]) -> Reader:
    """Return what reads values of the last of these schemas; it may name types of those before it.

    Args:
        schemas: as JSON has them.

    Raises:
        Undecodable: one is no schema that can be read; with the place.
    """
    compiler = _Compiler()
    try:
        return [compiler.reader(schema, "") for schema in schemas][-1]
    except _NoSchema as fault:
        message = f"its schema can't be read: {fault}"
    except RecursionError:
        message = "its schema can't be read: it is nested too deep"
    raise Undecodable(message)


def _null(_encoded: _Encoded, _depth: int) -> None:
    return None


def _boolean(encoded: _Encoded, _depth: int) -> bool:
    byte = encoded.take(1)[0]
    if byte > 1:
        message = "a boolean that is neither 0 nor 1"
        raise _Corrupt(message)
    return byte == 1


def _int(encoded: _Encoded, _depth: int) -> int:
    found = encoded.long()
    if not -_INT <= found < _INT:
        message = "an int of more than 32 bits"
        raise _Corrupt(message)
    return found


def _long(encoded: _Encoded, _depth: int) -> int:
    return encoded.long()


def _floating(form: str) -> Reader:
    packed = Struct(form)
    return lambda encoded, _depth: packed.unpack(encoded.take(packed.size))[0]


def _bytes(encoded: _Encoded, _depth: int) -> bytes:
    return encoded.take(encoded.long())


def _string(encoded: _Encoded, _depth: int) -> str:
    try:
        return encoded.take(encoded.long()).decode()
    except UnicodeDecodeError:
        message = "a text that is no UTF-8"
        raise _Corrupt(message) from None


_PRIMITIVES: Final[dict[str, Reader]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _int,
    "long": _long,
    "float": _floating("<f"),
    "double": _floating("<d"),
    "bytes": _bytes,
    "string": _string,
}


class _Record:
    """A record; its fields come after it, for they may name it."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: list[tuple[str, Reader]] = []

    def read(self, encoded: _Encoded, depth: int) -> dict[str, Any]:
        encoded.enter(depth, len(self.fields))
        made: dict[str, Any] = {}
        name = ""
        try:
            for name, read in self.fields:
                made[name] = read(encoded, depth + 1)
        except _Placed as fault:
            fault.path.append(name)
            raise
        return made


def _blocks(encoded: _Encoded, depth: int) -> Any:  # noqa: ANN401  # a generator
    """Go through the elements of an array or map."""
    encoded.enter(depth, 0)
    while count := encoded.long():
        if count < 0:  # the block's size in bytes follows, for who skips it
            count = -count
            encoded.long()
        encoded.enter(depth, count)
        yield from range(count)


def _array(item: Reader) -> Reader:
    def read(encoded: _Encoded, depth: int) -> list[Any]:
        return [item(encoded, depth + 1) for _ in _blocks(encoded, depth)]

    return read


def _map(value: Reader) -> Reader:
    def read(encoded: _Encoded, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for _ in _blocks(encoded, depth):
            key = _string(encoded, depth)
            if key in made:
                message = "a key of a map stands there twice"
                raise _Corrupt(message)
            made[key] = value(encoded, depth + 1)
        return made

    return read


def _union(branches: list[Reader]) -> Reader:
    def read(encoded: _Encoded, depth: int) -> Any:  # noqa: ANN401  # whatever the branch is
        index = encoded.long()
        if not 0 <= index < len(branches):
            message = "an index that its union does not have"
            raise _Corrupt(message)
        return branches[index](encoded, depth)

    return read


def _enum(symbols: list[str]) -> Reader:
    def read(encoded: _Encoded, _depth: int) -> str:
        index = encoded.long()
        if not 0 <= index < len(symbols):
            message = "an index that its enum does not have"
            raise _Corrupt(message)
        return symbols[index]

    return read


def _fixed(size: int) -> Reader:
    return lambda encoded, _depth: encoded.take(size)


class _Compiler:
    """Makes readers of schemas, and knows the types that were named. What only writers need is not looked at: defaults."""

    def __init__(self) -> None:
        self._named: dict[str, Reader] = {}

    def reader(self, schema: object, namespace: str) -> Reader:
        """Return what reads values of a schema that stands in a namespace."""
        if isinstance(schema, str):
            return self._by_name(schema, namespace)
        if isinstance(schema, list):
            return _union([self._branch(branch, namespace) for branch in schema])
        if not isinstance(schema, dict):
            message = "expected a type"
            raise _NoSchema(message)
        return self._described(schema, namespace)

    def _described(self, schema: dict[str, Any], namespace: str) -> Reader:
        read: Reader | None = None
        match schema.get("type"):
            case "record" | "error":
                read = self._record(schema, namespace)
            case "enum":
                read = _enum(_texts(schema.get("symbols")))
                self._name(schema, namespace, read)
            case "fixed":
                read = _logical(schema, "fixed", _fixed(_whole(schema.get("size"))))
                self._name(schema, namespace, read)
            case "array":
                read = _array(self.reader(schema.get("items"), namespace))
            case "map":
                read = _map(self.reader(schema.get("values"), namespace))
            case str() as kind if kind in _PRIMITIVES:
                read = _logical(schema, kind, _PRIMITIVES[kind])
        return read or self.reader(schema.get("type"), namespace)

    def _branch(self, schema: object, namespace: str) -> Reader:
        if isinstance(schema, list):
            message = "a union within a union"
            raise _NoSchema(message)
        return self.reader(schema, namespace)

    def _by_name(self, name: str, namespace: str) -> Reader:
        read = _PRIMITIVES.get(name) or self._named.get(_full(name, namespace))
        # As Avro's own reader does for a name without a namespace.
        read = read or self._named.get(name)
        if read is None:
            message = "a type that neither it nor its references define"
            raise _NoSchema(message)
        return read

    def _name(self, schema: dict[str, Any], namespace: str, read: Reader) -> str:
        """Take down a type under its name; return the namespace of what stands in it."""
        name, own = schema.get("name"), schema.get("namespace")
        own = namespace if own is None else own
        if not isinstance(name, str) or not isinstance(own, str):
            message = "a record, enum or fixed without a name"
            raise _NoSchema(message)
        full = _full(name, own)
        self._named[full] = read
        return full.rpartition(".")[0]

    def _record(self, schema: dict[str, Any], namespace: str) -> Reader:
        record = _Record()
        inner = self._name(schema, namespace, record.read)
        fields = schema.get("fields")
        if not isinstance(fields, list):
            message = "a record without fields"
            raise _NoSchema(message)
        for field in fields:
            name = field.get("name") if isinstance(field, dict) else None
            if not isinstance(name, str):
                message = "a field without a name"
                raise _NoSchema(message)
            try:
                record.fields.append((name, self.reader(field.get("type"), inner)))
            except _NoSchema as fault:
                fault.path.append(name)
                raise
        return record.read


def _full(name: str, namespace: str) -> str:
    return f"{namespace}.{name}" if namespace and "." not in name else name


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(symbol, str) for symbol in value):
        message = "an enum without symbols"
        raise _NoSchema(message)
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        message = "a fixed without a size"
        raise _NoSchema(message)
    return value


def _logical(schema: dict[str, Any], kind: str, read: Reader) -> Reader:
    """Return what reads values of a logical type; as Avro has it, one that is not known, or not of this kind, is none."""
    logical = schema.get("logicalType")
    convert: Callable[[Any], Any] | None = None
    match kind, logical:
        case "bytes" | "fixed", "decimal":
            convert = _decimal(schema)
        case "fixed", "uuid" if schema.get("size") == 16:  # noqa: PLR2004  # bytes of a UUID
            convert = _guid
        case "int", "date":
            convert = _date
        case "long", str() if logical in _MOMENTS:
            convert = _moment(_MOMENTS[logical])
        case "int" | "long", str() if logical in _WITHOUT_MEANING:
            convert = _unusable(
                f"{_WITHOUT_MEANING[logical]}; expected a moment (Avro: timestamp-…)"
            )
    if convert is None:
        return read
    converted = convert
    return lambda encoded, depth: converted(read(encoded, depth))


def _unusable(why: str) -> Callable[[Any], Unusable]:
    """Return what makes one for each value: one for all would be equal to itself where lists and objects are compared."""
    return lambda _: Unusable(why)


def _decimal(schema: dict[str, Any]) -> Callable[[bytes], Decimal | Unusable]:
    """Return what makes a decimal of its bytes: with every digit that is there, whatever the precision says."""
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision:
        return _unusable("a decimal whose schema has no precision, or a scale beyond it")

    def convert(digits: bytes) -> Decimal | Unusable:
        if not 0 < len(digits) <= _LARGEST_DECIMAL or scale > MAX_DIGITS:
            return Unusable(f"a decimal of no digits, or of more than {MAX_DIGITS}")
        return Decimal(int.from_bytes(digits, "big", signed=True)).scaleb(-scale, _EXACT)

    return convert


def _guid(raw: bytes) -> str:
    return str(UUID(bytes=raw))


def _date(days: int) -> str | Unusable:
    try:
        return date.fromordinal(days + _EPOCH_DAY).isoformat()
    except (ValueError, OverflowError):
        return Unusable("a date outside of the years 1 to 9999")


def _moment(per_second: int) -> Callable[[int], str | Unusable]:
    def convert(count: int) -> str | Unusable:
        try:
            return moment_text(count, per_second)
        except Unconvertible as why:
            return Unusable(str(why))

    return convert
