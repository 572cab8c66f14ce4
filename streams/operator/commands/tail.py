"""`notifier tail`: the attempts record as it is written, filtered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from schemas.attempt_record import AttemptRecord
from streams.clock import Clock
from streams.kafka.connection import connection_of
from streams.kafka.reader.reader import RecordReader, Span
from streams.kafka.topics import TopicNames
from streams.operator.commands.common import known_or_fail, say, settings_or_fail
from streams.operator.commands.output import finish, moment, shown
from streams.operator.history.text import rfc3339, short_answer
from streams.settings import CONSOLE_FILES, Settings

_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are shown: all that each given member fits.

    Attributes:
        partner: the partner's id.
        order: the order's id.
        profile: the profile's name.
        not_acknowledged: only attempts that were not answered with S, and dead letters.
    """

    partner: str | None = None
    order: str | None = None
    profile: str | None = None
    not_acknowledged: bool = False

    def fits(self, record: AttemptRecord) -> bool:
        """Tell whether a record is shown."""
        if self.not_acknowledged and not _is_trouble(record):
            return False
        wanted = (
            (self.partner, record.partner_id),
            (self.order, record.order_id),
            (self.profile, record.profile),
        )
        return all(want is None or want == seen for want, seen in wanted)


def tail(  # one argument for each option
    partner: Annotated[str | None, typer.Option(help="Of this partner only.")] = None,
    order: Annotated[str | None, typer.Option(help="Of this order only.")] = None,
    profile: Annotated[str | None, typer.Option(help="Of this profile only.")] = None,
    not_acknowledged: Annotated[
        bool,
        typer.Option("--not-acknowledged", help="Attempts without an S and dead letters only."),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(help="Begin there: 10m, 2h or a time; now unless given.", metavar="TIME"),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print each record as it stands on the topic, one a line."),
    ] = False,
) -> None:
    """Follow attempts and decisions as they are recorded, until Ctrl-C.

    notifier tail --partner acme --not-acknowledged
    """
    settings = settings_or_fail("partners_file", *CONSOLE_FILES)
    since_ms = moment(since, Clock().now_ms(), "--since")
    if partner is not None and since_ms is None:  # of one that has gone there may be records
        known_or_fail(settings, [partner], "the partners file has no such entry")
    chosen = Filter(partner, order, profile, not_acknowledged)

    def show(record: AttemptRecord) -> None:
        print(record.to_bytes().decode() if as_json else shown(line_of(record)), flush=True)

    finish(_follow(settings, since_ms, chosen, show))


def line_of(record: AttemptRecord) -> str:
    """Return a record in one line: when, whom, which order, what was done, what came of it, when it goes on."""
    number = f" {record.attempt}" if record.attempt is not None else ""
    parts = [
        rfc3339(record.at_ms),
        record.partner_id or "-",
        record.order_id or "-",
        f"{record.kind}{number}",
        short_answer(record) if record.kind == "attempt" else record.why or record.outcome or "",
        record.decision or "",
        record.dead_letter_reason or "",
        f"next {rfc3339(record.next_due_at_ms)}" if record.next_due_at_ms is not None else "",
    ]
    return "  ".join(part for part in parts if part)


def _is_trouble(record: AttemptRecord) -> bool:
    if record.kind == "attempt":
        return record.result_status != "S" or record.failure is not None
    return record.dead_letter_reason is not None


async def _follow(
    settings: Settings, since_ms: int | None, chosen: Filter, show: Callable[[AttemptRecord], None]
) -> None:
    topic = TopicNames(settings.topic_prefix).attempts
    async with RecordReader(connection_of(settings), f"{settings.group_id}-tail") as reader:
        async for record in _records(reader, topic, since_ms):
            if chosen.fits(record):
                show(record)


async def _records(
    reader: RecordReader, topic: str, since_ms: int | None
) -> AsyncIterator[AttemptRecord]:
    """Yield the records of a topic from a time on, without end; partitions that come later from their beginning."""
    ends: dict[int, int] | None = None
    while True:
        first = ends is None
        spans = await reader.spans(topic, since_ms=since_ms if first else None)
        if first and since_ms is None:
            new: list[Span] = []
        else:
            new = [Span(s.topic, s.partition, s.start if first else (ends or {}).get(s.partition, s.start), s.end) for s in spans]  # fmt: skip
        async for batch in reader.read([span for span in new if span.length > 0]):
            for raw in batch:
                try:
                    yield AttemptRecord.model_validate_json(raw.value or b"")
                except ValidationError:
                    say(f"{raw.record_id}: no attempts record that this version reads")
        ends = {span.partition: span.end for span in spans}
        await asyncio.sleep(_LOOK_SECONDS)
