"""The wire's scalars and small objects, and `Body`, the base of every request body.

Members have their wire name as alias, so only this package spells `paymentRequestId`.
Rules that hold for one message only stand with that message.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic.alias_generators import to_camel

from schemas.iso8601 import PATTERN, epoch_ms
from schemas.tidying import Faults, Table, add_faults, tidy

T = TypeVar("T")


def _readable(text: str) -> str:
    epoch_ms(text)
    return text


String64 = Annotated[str, Field(min_length=1, max_length=64)]
String128 = Annotated[str, Field(min_length=1, max_length=128)]
String256 = Annotated[str, Field(min_length=1, max_length=256)]
Text = Annotated[str, Field(min_length=1)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Decimal = Annotated[
    str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$", json_schema_extra={"format": "decimal"})
]
Datetime = Annotated[
    str,
    AfterValidator(_readable),
    Field(json_schema_extra={"pattern": PATTERN}),
]
"""ISO 8601 with an offset, kept as it came: a partner sees the text that payment core wrote."""


class _OnSuccess:
    """Marks a member that must be there when the result is S."""


def _given_on_success(value: T | None, info: ValidationInfo) -> T | None:
    if value is None and succeeded(info):
        message = "missing or empty; required when the result is S"
        raise ValueError(message)
    return value


OnSuccess = Annotated[T | None, AfterValidator(_given_on_success), _OnSuccess]
"""A member that is required when the result is S ("given if S" in the sources)."""


class WireObject(BaseModel):
    """An object as partners write it: strict, frozen, tolerant of members it doesn't know."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        serialize_by_alias=True,
        strict=True,
        validate_default=True,
    )

    table: ClassVar[Table] = Table()
    """The wire names of its members, each with the table of its own members where it has some."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Build the table, once a class."""
        cls.table = Table(
            (field.alias or name, _inner_table(field.annotation))
            for name, field in cls.model_fields.items()
        )


def _inner_table(annotation: object) -> Table | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, WireObject):
            return kind.table
    return None


class Amount(WireObject):
    """Money: a natural number of the currency's smallest unit, as a string of any length."""

    currency: Currency = Field(description="ISO 4217, three letters")
    value: Annotated[str, Field(pattern=r"^[1-9][0-9]*$")] = Field(
        description="natural number from 1, in the smallest unit of the currency"
    )


class Quote(WireObject):
    """The exchange rate between two currencies."""

    quote_id: String64
    quote_currency_pair: Annotated[str, Field(min_length=1, max_length=8)] = Field(
        description="`BASE/QUOTE`"
    )
    quote_price: Decimal = Field(description="from 0")
    quote_start_time: Datetime | None = None
    quote_expiry_time: Datetime | None = None
    base_currency: Annotated[str, Field(min_length=1, max_length=3)] | None = None
    quote_unit: Annotated[str, Field(min_length=1, max_length=12)] | None = None


class Result(WireObject):
    """What happened to the payment. U is never sent."""

    result_code: String64
    result_status: Literal["S", "F"]
    result_message: String256 | None = None


def succeeded(info: ValidationInfo) -> bool:
    """Tell whether the body under validation reports S. Only members above the one that asks are known by then."""
    for value in info.data.values():
        if type(value) is Result:
            return value.result_status == "S"
    return False


class InvalidBody(ValueError):  # noqa: N818  # named after what it says about the input
    """A payment that can't be sent.

    Attributes:
        faults: what is wrong, by path, without values.
        unsent: paths of members that would not have been sent.
    """

    def __init__(self, faults: Faults, unsent: tuple[str, ...] = ()) -> None:
        super().__init__("; ".join(f"{where}: {fault}" for where, fault in faults.items()))
        self.faults = faults
        self.unsent = unsent


class Body(WireObject):
    """A request body. Its one member of type `Result` is ours to write; all others come from the event's `payment`.

    The result stands above every member whose presence depends on it.
    """

    result_field: ClassVar[str] = ""
    """The attribute of type `Result`."""
    result_member: ClassVar[str] = ""
    """Its wire name."""
    dropped_on_failure: ClassVar[frozenset[str]] = frozenset()
    """Wire names that go with S only and are otherwise left out."""

    @classmethod
    def __pydantic_init_subclass__(cls, **more: object) -> None:
        """Find the member that holds the result.

        Raises:
            TypeError: there is none or more than one, it stands too low, or `dropped_on_failure` names no member.
        """
        super().__pydantic_init_subclass__(**more)
        fields = cls.model_fields
        results = [name for name, field in fields.items() if field.annotation is Result]
        if len(results) != 1:
            message = f"{cls.__name__}: seen {len(results)} members of type Result, expected one"
            raise TypeError(message)
        order = list(fields)
        above = order[: order.index(results[0])]
        if early := [name for name in above if _OnSuccess in fields[name].metadata]:
            message = (
                f"{cls.__name__}: {early[0]} is required on success, expected it below {results[0]}"
            )
            raise TypeError(message)
        if strangers := sorted(cls.dropped_on_failure - cls.table.keys()):
            message = f"{cls.__name__}: dropped_on_failure: {strangers[0]} is no member, expected wire names of {', '.join(cls.table)}"
            raise TypeError(message)
        cls.result_field = results[0]
        cls.result_member = fields[results[0]].alias or results[0]

    @classmethod
    def read(
        cls,
        members: Mapping[str, Any],
        result: Result,
        path: str = "",
        results: Collection[str] = (),
    ) -> tuple[Self, tuple[str, ...]]:
        """Read payment core's members and put the result with them.

        Args:
            members: the event's `payment`.
            result: the result to send.
            path: where the members stand, for the faults: `payment.`.
            results: wire names of members that hold the result of some body: payment core may not write them either.

        Returns:
            the body, and the paths of members that are not sent.

        Raises:
            InvalidBody: with every fault found.
        """
        faults: Faults = {}
        unsent: list[str] = []
        kept = tidy(members, cls.table, "", faults, unsent)
        for name in {cls.result_member, *results}:
            if name in members and (name == cls.result_member or name not in cls.table):
                faults[name] = (
                    "the result is not payment core's to write; give outcome, reason or resultCode"
                )
        if result.result_status == "F":
            dropped = cls.dropped_on_failure & kept.keys()
            unsent.extend(sorted(dropped))
            kept = {name: value for name, value in kept.items() if name not in dropped}
        kept[cls.result_member] = result
        try:
            body = cls.model_validate(kept)
        except ValidationError as exc:
            add_faults(exc, "", faults)
        else:
            if not faults:
                return body, tuple(unsent)
        under_path = {path + where: fault for where, fault in faults.items()}
        raise InvalidBody(under_path, tuple(unsent)) from None

    def with_result(self, result: Result) -> Self:
        """Return it with another result of the same status, nothing else checked again."""
        return self.model_copy(update={self.result_field: result})

    def to_bytes(self) -> bytes:
        """Render it as compact UTF-8 JSON, members in the order of the schema."""
        return self.model_dump_json(exclude_none=True).encode()


def required_always(body: type[Body]) -> list[str]:
    """Return the wire names of the members that payment core must give whatever the result."""
    return [
        field.alias or name
        for name, field in body.model_fields.items()
        if field.is_required() and name != body.result_field
    ]


def required_on_success(body: type[Body]) -> list[str]:
    """Return the wire names of the members that a body must have when its result is S."""
    return [
        field.alias or name
        for name, field in body.model_fields.items()
        if _OnSuccess in field.metadata
    ]
