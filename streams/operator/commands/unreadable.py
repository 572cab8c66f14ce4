"""`notifier unreadable show`, `pass`: a batch that can't be read, at which a partition stands still."""

import hashlib
import socket
from pathlib import Path
from typing import Annotated

import typer

from streams.clock import Clock
from streams.kafka.connection import connection_of
from streams.kafka.format.raw import RecordId
from streams.kafka.producer import RecordProducer
from streams.kafka.reader.pass_over import CannotPass, StoppedGroup
from streams.kafka.reader.raw_batch import RawBatch, batch_at
from streams.kafka.reader.reader import RecordReader
from streams.kafka.topics import TopicNames
from streams.notification.decision import DeadLetter, DeadLetterReason
from streams.notification.profiles import TIERS
from streams.operator.commands.common import Json, fail, print_json, say, settings_or_fail
from streams.operator.commands.dead_letter_options import Who, Why, Yes, audit_of
from streams.operator.commands.output import (
    confirm,
    finish,
    open_for_owner,
    print_table,
    shown,
)
from streams.operator.dead_letters.replay_record import ReplayAudit
from streams.operator.history.text import rfc3339
from streams.settings import CONSOLE_FILES, Settings
from streams.worker.settle import Settler
from streams.worker.settlement import Settlements

unreadable_app = typer.Typer(
    help="A batch that can't be read: look at it, keep its bytes, let the workers pass.",
    no_args_is_help=True,
)

At = Annotated[
    str,
    typer.Argument(metavar="PLACE", help="TOPIC:PARTITION:OFFSET, as the worker's log gives it."),
]


@unreadable_app.command()
def show(
    at: At,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the batch's bytes to this file, which must not exist."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a batch says of itself and what is wrong with it; nothing of its records.

    notifier unreadable show payment-final-state:3:1182 --export batch.bin
    """
    settings = settings_or_fail("partners_file", *CONSOLE_FILES)
    batch = _batch(settings, at)
    facts = _facts(batch)
    if export is not None:
        try:
            with open(export, "xb", opener=open_for_owner) as file:  # Path.open takes no opener
                file.write(batch.raw)
        except OSError as error:
            fail(f"--export {export}: {error.strerror}")
        facts["exported to"] = str(export)
    if as_json:
        print_json({name.replace(" ", "_"): value for name, value in facts.items()})
    else:
        print_table(("", ""), facts.items())


@unreadable_app.command("pass")
def pass_(
    at: At,
    why: Why = None,
    who: Who = None,
    to: Annotated[
        int | None,
        typer.Option(
            help="The first offset to be read again, where the batch's end can't be told."
        ),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let the workers pass a batch that can't be read: they go on behind it. They must be stopped meanwhile.

    Its bytes become a dead letter, and who did it and why stands with it, before the group is moved.

    notifier unreadable pass payment-final-state:3:1182 --why "INC-77: payment core sent its 12 results again"
    """
    audit = audit_of(why, who)
    settings = settings_or_fail("partners_file", *CONSOLE_FILES)
    batch = _batch(settings, at)
    if not batch.fault:
        fail(f"{batch.record_id}: it can be read, and no worker stands still at it")
    behind = batch.behind if to is None else to
    if behind is None:
        fail(
            f"{batch.record_id}: where the batch ends can't be told ({batch.fault}); say it with --to"
        )
    if behind <= batch.record_id.offset:
        fail(f"--to: expected an offset above {batch.record_id.offset}, seen {behind}")
    group = _group(settings, batch.record_id.topic)
    if group is None:
        fail(f"{batch.record_id.topic}: no worker reads this topic, so there is nothing to pass")
    confirm(
        f"Let group {group} pass offsets {batch.record_id.offset} to {behind - 1} of {batch.record_id.topic},"
        f" partition {batch.record_id.partition} ({batch.fault})?",
        1,
        yes=yes,
    )
    try:
        finish(_pass(settings, group, batch, behind, audit))
    except CannotPass as error:
        fail(str(error))
    passed = {
        "topic": batch.record_id.topic,
        "partition": batch.record_id.partition,
        "first_offset": batch.record_id.offset,
        "last_offset": behind - 1,
        "group": group,
        "run": audit.run,
    }
    if as_json:
        print_json(passed)
    else:
        say(
            f"Group {group} goes on at offset {behind}. The bytes are a dead letter; its detail names run"
            f" {audit.run}. Start the workers again."
        )


def _batch(settings: Settings, at: str) -> RawBatch:
    try:
        record_id = RecordId.parse(at)
    except ValueError as error:
        message = f"PLACE: {error}, seen {shown(at)}"
        raise typer.BadParameter(message) from error

    async def look() -> RawBatch | None:
        client_id = f"{settings.group_id}-unreadable"
        async with RecordReader(connection_of(settings), client_id) as reader:
            return await batch_at(reader, record_id)

    batch = finish(look())
    if batch is None:
        fail(f"{record_id}: nothing stands there, or nothing any more")
    return batch


def _facts(batch: RawBatch) -> dict[str, str]:
    head = {
        name: rfc3339(int(value)) if name.endswith("time") and int(value) > 0 else value
        for name, value in batch.head.items()
    }
    return {
        "place": str(batch.record_id),
        "fault": batch.fault or "none: it can be read",
        "goes on at": "unknown" if batch.behind is None else str(batch.behind),
        **head,
        "sha256": hashlib.sha256(batch.raw).hexdigest(),
    }


def _group(settings: Settings, topic: str) -> str | None:
    names = TopicNames(settings.topic_prefix)
    if topic in {*settings.source_topics, names.replay}:
        return settings.group_id
    if topic in {names.tier(wait) for wait in TIERS}:
        return f"{settings.group_id}-retry"
    return None


async def _pass(
    settings: Settings, group: str, batch: RawBatch, behind: int, audit: ReplayAudit
) -> None:
    connection, clock = connection_of(settings), Clock()
    producer = RecordProducer(connection, f"{group}-unreadable", lambda _: None)
    record_id = batch.record_id
    detail = (
        f"offsets {record_id.offset} to {behind - 1} can't be read: {batch.fault}; passed over by"
        f" {audit.by}, run {audit.run}: {audit.why}"
    )
    names, worker = TopicNames(settings.topic_prefix), socket.gethostname()
    settlement = Settlements(names, clock.now_ms, worker).of_dead_letter(
        None,
        batch.raw or None,
        (("kind", b"batch"), ("origin", record_id.header.encode())),
        DeadLetter(DeadLetterReason.INVALID_EVENT, detail),
        {
            "kind": "decision",
            "at_ms": clock.now_ms(),
            "origin": record_id.header,
            "worker": worker,
            "by": audit.by,
        },
    )
    settler = Settler(producer, names.attempts, clock.now_seconds)
    try:
        async with StoppedGroup(connection, group, record_id) as stopped:
            await settler.settle(settlement)  # before its effect
            await stopped.move(behind)
    finally:
        await producer.stop()
