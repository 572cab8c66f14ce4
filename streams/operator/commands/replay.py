"""`notifier dead-letters replay`: put dead letters back. Says what it would do unless it is told to do it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import typer

from streams.clock import Clock
from streams.interruptible import run_until_interrupted
from streams.kafka.connection import connection_of
from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.reader import ReadProgress, RecordReader, Span
from streams.kafka.topics import TopicNames
from streams.operator.commands.common import (
    FAULT,
    INTERRUPTED,
    Json,
    fail,
    known_or_fail,
    mapping_or_fail,
    partners_of,
    print_json,
    say,
    settings_or_fail,
    used_wrongly,
)
from streams.operator.commands.dead_letter_options import (
    Codes,
    PartnerIds,
    Profiles,
    Reasons,
    Since,
    Until,
    Which,
    Who,
    Why,
    Yes,
    audit_of,
    selection_of,
)
from streams.operator.commands.output import confirm, finish, print_table, reading, shown
from streams.operator.dead_letters.clients import open_replay_clients
from streams.operator.dead_letters.done_since import facts_since
from streams.operator.dead_letters.find import age_order, each_dead_letter
from streams.operator.dead_letters.plan import (
    DEFAULT_MAX_REPLAYS,
    DEFAULT_RATE,
    Options,
    ReplayPlan,
    attempts_kept_since,
    plan,
)
from streams.operator.dead_letters.refusal import Refusal, RefusalJudge
from streams.operator.dead_letters.replay_record import ReplayAudit
from streams.operator.dead_letters.run import RunResult, run
from streams.operator.dead_letters.selection import Selection
from streams.operator.history.text import duration
from streams.partners import Partner, PartnersFileError
from streams.settings import Settings

_ROWS = 50


def replay(
    which: Which = None,
    reason: Reasons = None,
    partner: PartnerIds = None,
    profile: Profiles = None,
    code: Codes = None,
    since: Since = None,
    until: Until = None,
    execute: Annotated[
        bool, typer.Option("--execute/--dry-run", help="Do it; else only say what would be done.")
    ] = False,
    rate: Annotated[float, typer.Option(help="At most so many a second.", min=0.1, max=200)] = (
        DEFAULT_RATE
    ),
    max_replays: Annotated[
        int, typer.Option(help="Leave what was put back so often.", min=1)
    ] = DEFAULT_MAX_REPLAYS,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Make bodies anew from the events, with today's rules."),
    ] = False,
    forgotten: Annotated[
        bool,
        typer.Option("--forgotten", help="Also what is older than the attempts records reach."),
    ] = False,
    refused: Annotated[
        bool,
        typer.Option(
            "--refused",
            help="Also what a worker is sure to refuse again: its body is invalid, its partner unknown, its host not allowed."
            " Needs no partners file unless with --rebuild.",
        ),
    ] = False,
    unread: Annotated[
        bool,
        typer.Option(
            "--unread", help="Also where records of what was done since can't be read any more."
        ),
    ] = False,
    why: Why = None,
    who: Who = None,
    run_id: Annotated[
        str | None, typer.Option("--run", help="Go on with the run of this id.")
    ] = None,
    expect: Annotated[
        int | None, typer.Option(help="Do it only if exactly so many are selected.", min=0)
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Put dead letters back on the ladder, from attempt 1, with their bodies to the byte.

    notifier dead-letters replay --partner acme --reason attempts-exhausted

    notifier dead-letters replay --partner acme --execute --why "acme is back"
    """
    selection = selection_of(which, reason, partner, profile, code, since, until)
    if selection == Selection():
        used_wrongly("name what to put back: order ids, places, or --reason, --partner, --since …")
    audit = audit_of(why, who, run_id) if execute else None
    settings = settings_or_fail()
    partners = _partners(settings, needed=rebuild or not refused)
    options = Options(rate, max_replays, rebuild, forgotten, refused)
    judge = RefusalJudge.of(settings, partners.get, mapping_or_fail(settings), rebuild=rebuild)
    planned = finish(_plan(settings, selection, options, judge, run_id))
    count = len(planned.selected)
    if not planned.selected and not planned.skipped:
        known_or_fail(settings, partner or ())
        if which:
            named = shown(", ".join(which))
            fail(
                f"no dead letter is {named} and as the options ask; see `notifier dead-letters list`"
            )
    if not as_json:
        _print_plan(planned)
    if expect is not None and expect != count:
        fail(f"--expect: seen {count} dead letters, expected {expect}; nothing was done")
    if audit is None or not count:
        _end(planned, None, run_id, as_json=as_json)
        return
    if planned.unread_since and not unread:
        fail(f"{_unread(planned.unread_since)}; nothing was sent, --unread does it all the same")
    if not as_json:
        say(f"Run {audit.run}.")
    names = [name for name, _ in planned.partners]
    to = f"{shown(', '.join(names[:3]))}{' and others' if len(names) > 3 else ''}"  # noqa: PLR2004  # enough to know them
    confirm(f"Replay {count:,} dead letters to {to}?", count, yes=yes or expect is not None)
    result = _carry_out(settings, partners, planned, audit)
    _end(planned, result, audit.run, as_json=as_json)
    if result.refused:
        raise typer.Exit(FAULT)


def _partners(settings: Settings, *, needed: bool) -> Mapping[str, Partner]:
    """Return the partners; none where they can't be had and are not needed: the console's pod has no keys."""
    try:
        return partners_of(settings)
    except PartnersFileError as error:
        if needed:
            why = "the partners file tells what a worker would refuse again; --refused, without --rebuild, does without it"
            fail(*error.faults, why)
        return {}


def _carry_out(
    settings: Settings, partners: Mapping[str, Partner], planned: ReplayPlan, audit: ReplayAudit
) -> RunResult:
    """Do it; where it ends early, say how far it came and how to go on, and exit."""
    result = RunResult(len(planned.selected))

    def say_how_far() -> None:
        say(
            f"Put back {result.replayed:,} of {result.of:,}. To go on, the same again with --run {audit.run};"
            " none is put back twice."
        )

    try:
        run_until_interrupted(_run(settings, partners, planned, audit, result))
    except KeyboardInterrupt:
        say_how_far()
        raise typer.Exit(INTERRUPTED) from None
    except ReadFailed as error:
        say_how_far()
        fail(str(error), run=audit.run, of=result.of, put_back=result.replayed)
    return result


async def _plan(
    settings: Settings,
    selection: Selection,
    options: Options,
    judge: RefusalJudge,
    run_id: str | None,
) -> ReplayPlan:
    names = TopicNames(settings.topic_prefix)
    dead_letters: list[Fact] = []
    refusals: dict[RecordId, Refusal] = {}
    async with RecordReader(connection_of(settings), f"{settings.group_id}-replay") as reader:
        with reading("reading the dead letters") as on_progress:
            async for dead, record in each_dead_letter(reader, names, selection, on_progress):
                dead_letters.append(dead)
                if (refusal := judge.refusal(dead, record)) is not None:
                    refusals[dead.record_id] = refusal
        dead_letters.sort(key=age_order)
        with reading("reading what was done since") as on_progress:
            facts = await facts_since(reader, names, dead_letters, on_progress=on_progress)
        oldest_ms, now_ms = await reader.oldest_ms(names.attempts), Clock().now_ms()
    planned = plan(
        dead_letters,
        facts,
        options,
        now_ms,
        known_since_ms=attempts_kept_since(now_ms, oldest_ms),
        resuming=run_id,
        refusals=refusals,
    )
    return replace(planned, left_out=tuple(reader.left_out))


async def _run(
    settings: Settings,
    partners: Mapping[str, Partner],
    planned: ReplayPlan,
    audit: ReplayAudit,
    result: RunResult,
) -> None:
    async with open_replay_clients(
        settings, partners.get, Clock(), mapping_or_fail(settings)
    ) as clients:
        with reading("putting back") as on_progress:
            await run(
                planned,
                clients,
                audit,
                result,
                lambda r: on_progress(ReadProgress(r.replayed, r.of)),
            )


def _unread(spans: Sequence[Span]) -> str:
    first, more = spans[0], f" and {len(spans) - 1:,} more" if spans[1:] else ""
    place = f"{first.topic}:{first.partition}:{first.start}"
    return f"{place}{more} can't be read, and may say that one was put back or delivered since"


def _print_plan(planned: ReplayPlan) -> None:
    if planned.unread_since:
        say(f"{_unread(planned.unread_since)}.")
    bodies = "bodies made anew" if planned.options.rebuild else "unchanged bodies"
    say(
        f"{len(planned.selected):,} dead letters would be put back, {bodies}, from attempt 1, at most"
        f" {planned.options.rate_per_second:g} a second (about {duration(int(planned.seconds * 1000))})."
        if planned.selected
        else "Nothing would be put back."
    )
    if planned.skipped:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in planned.skipped_by_kind)
        say(f"Skipped {len(planned.skipped):,}: {kinds}.")
    rows = [(dead, "put back", "") for dead in planned.selected[:_ROWS]]
    rows += [(skipped.dead_letter, "skip", skipped.why) for skipped in planned.skipped[:_ROWS]]
    print_table(
        ("place", "order", "partner", "what", "why"),
        [(dead.record_id, dead.order_id, dead.partner_id, *more) for dead, *more in rows],
    )


def _end(
    planned: ReplayPlan, result: RunResult | None, run_id: str | None, *, as_json: bool
) -> None:
    """Say what was done, or how to do it where nothing was."""
    if as_json:
        _print_json(planned, result, run_id)
    elif result is not None:
        for record_id, text in result.refused:
            say(f"fault: {record_id}: {shown(text)}")
        say(f"Put back {result.replayed:,} of {result.of:,}.")
    elif count := len(planned.selected):
        say(f'Nothing was sent. To do it: the same with --execute --expect {count} --why "…"')


def _print_json(planned: ReplayPlan, result: RunResult | None, run_id: str | None) -> None:
    print_json(
        {
            "run": run_id,
            "executed": result is not None,
            "complete": not planned.left_out,
            "selected": [str(dead_letter.record_id) for dead_letter in planned.selected],
            "by_partner": dict(planned.partners),
            "skipped": [
                {
                    "place": str(skipped.dead_letter.record_id),
                    "kind": skipped.kind,
                    "why": skipped.why,
                }
                for skipped in planned.skipped
            ],
            "rate_per_second": planned.options.rate_per_second,
            "seconds": planned.seconds,
            "put_back": result.replayed if result else 0,
            "refused": [
                {"place": str(record_id), "why": text}
                for record_id, text in (result.refused if result else ())
            ],
        }
    )
