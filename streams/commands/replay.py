"""`notifier dead-letters replay`: put dead letters back. Says what it would do unless it is told to do it."""

import getpass
import secrets
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import typer

from streams.clock import Clock
from streams.commands.common import FAULT, INTERRUPTED, USAGE, Json, fail, settings_or_fail
from streams.commands.output import confirm, finish, print_json, print_table, reading, say, shown
from streams.commands.selecting import (
    Codes,
    Names,
    PartnerIds,
    Profiles,
    Reasons,
    Since,
    Until,
    selection_of,
)
from streams.history.text import duration
from streams.kafka.connection import connection_of
from streams.kafka.reader import Progress, RecordReader
from streams.kafka.topics import TopicNames
from streams.partners import Partners, PartnersFileError, load_partners
from streams.replay.letters import Selection, find_letters
from streams.replay.plan import (
    DEFAULT_MAX_REPLAYS,
    DEFAULT_RATE,
    Options,
    ReplayPlan,
    facts_since,
    plan,
)
from streams.replay.put_back import Warrant
from streams.replay.run import RunResult, run
from streams.replay.tools import open_tools
from streams.settings import Settings

Who = Annotated[str | None, typer.Option("--who", help="Who does it; the login name unless given.")]
Why = Annotated[
    str | None,
    typer.Option("--why", help="Why, in words without customer data; kept with every record."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


def replay(
    which: Names = None,
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
        _used_wrongly("name what to put back: order ids, places, or --reason, --partner, --since …")
    warrant = warrant_of(why, who, run_id) if execute else None
    settings = settings_or_fail(as_json=as_json)
    partners = partners_or_fail(settings, as_json=as_json)
    options = Options(rate, max_replays, rebuild, forgotten, lambda name: name in partners)
    made = finish(_plan(settings, selection, options, run_id), as_json=as_json)
    if not as_json:
        _print_plan(made)
    if expect is not None and expect != len(made.selected):
        message = (
            f"--expect: seen {len(made.selected)} dead letters, expected {expect}; nothing was done"
        )
        fail([message], as_json=as_json)
    if warrant is None or not made.selected:
        _end(made, None, as_json=as_json, run_id=run_id)
        return
    if not as_json:
        say(f"Run {warrant.run}.")
    question = f"Replay {len(made.selected):,} dead letters{_to(made)}?"
    confirm(question, len(made.selected), yes=yes or expect is not None, as_json=as_json)
    result = RunResult(len(made.selected))
    try:
        finish(_run(settings, partners, made, warrant, result), as_json=as_json)
    except KeyboardInterrupt:
        say(
            f"Put back {result.put_back:,} of {result.of:,}. To go on, the same again with --run {warrant.run};"
            " none is put back twice."
        )
        raise typer.Exit(INTERRUPTED) from None
    _end(made, result, as_json=as_json, run_id=warrant.run)


def warrant_of(why: str | None, who: str | None, run_id: str | None = None) -> Warrant:
    """Return who puts something back and why; exit with 2 where that is not said."""
    if why is None:
        _used_wrongly('--why: missing; say why, like --why "acme is back"')
    if who is None:
        try:
            who = getpass.getuser()
        except (KeyError, OSError):
            _used_wrongly("--who: missing, and the login name is not known here")
    now = datetime.fromtimestamp(Clock().now_seconds(), UTC)
    try:
        return Warrant(run_id or f"r-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", who, why)
    except ValueError as error:
        _used_wrongly(f"--{error}")


def _used_wrongly(message: str) -> NoReturn:
    say(f"usage: {message}")
    raise typer.Exit(USAGE)


def partners_or_fail(settings: Settings, *, as_json: bool) -> Partners:
    """Return the partners file, or say every fault of it and exit with 1."""
    try:
        return load_partners(
            settings.partners_file, Clock().now_seconds(), allow_http=settings.allow_http
        )
    except PartnersFileError as error:
        fail(error.faults, as_json=as_json)


async def _plan(
    settings: Settings, selection: Selection, options: Options, run_id: str | None
) -> ReplayPlan:
    names = TopicNames(settings.topic_prefix)
    async with RecordReader(connection_of(settings), f"{settings.group_id}-replay") as reader:
        with reading("reading the dead letters") as on_progress:
            letters = await find_letters(reader, names, selection, on_progress=on_progress)
        with reading("reading what was done since") as on_progress:
            facts = await facts_since(reader, names, letters, on_progress=on_progress)
    return plan(letters, facts, options, Clock().now_ms(), resuming=run_id)


async def _run(
    settings: Settings, partners: Partners, made: ReplayPlan, warrant: Warrant, result: RunResult
) -> None:
    async with open_tools(settings, partners.get, Clock()) as tools:
        with reading("putting back") as on_progress:
            await run(
                made, tools, warrant, result, lambda r: on_progress(Progress(r.put_back, r.of))
            )


def _to(made: ReplayPlan) -> str:
    names = [name for name, _ in made.partners]
    return f" to {shown(', '.join(names[:3]))}{' and others' if len(names) > 3 else ''}"  # noqa: PLR2004  # enough to know them


def _print_plan(made: ReplayPlan) -> None:
    bodies = "bodies made anew" if made.options.rebuild else "unchanged bodies"
    time = duration(int(made.seconds * 1000))
    say(
        f"{len(made.selected):,} dead letters would be put back, {bodies}, from attempt 1, at most {made.rate:g} a"
        f" second (about {time})."
        if made.selected
        else "Nothing would be put back."
    )
    if made.skipped:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in made.skipped_by_kind)
        say(f"Skipped {len(made.skipped):,}: {kinds}.")
    print_table(
        ("place", "order", "partner", "what", "why"),
        [
            *((f.place, f.order_id, f.partner_id, "put back", "") for f in made.selected[:_ROWS]),
            *(
                (s.letter.place, s.letter.order_id, s.letter.partner_id, "skip", s.why)
                for s in made.skipped[:_ROWS]
            ),
        ],
    )


_ROWS = 50


def _end(made: ReplayPlan, result: RunResult | None, *, as_json: bool, run_id: str | None) -> None:
    refused = result.refused if result else []
    if as_json:
        print_json(
            {
                "run": run_id,
                "executed": result is not None,
                "selected": [str(letter.place) for letter in made.selected],
                "by_partner": dict(made.partners),
                "skipped": [
                    {"place": str(s.letter.place), "kind": s.kind, "why": s.why}
                    for s in made.skipped
                ],
                "rate_per_second": made.rate,
                "seconds": made.seconds,
                "put_back": result.put_back if result else 0,
                "refused": [{"place": str(place), "why": text} for place, text in refused],
            }
        )
    elif result is None:
        if made.selected:
            n = len(made.selected)
            say(f'Nothing was sent. To do it: the same with --execute --expect {n} --why "…"')
    else:
        for place, text in refused:
            say(f"fault: {place}: {shown(text)}")
        say(f"Put back {result.put_back:,} of {result.of:,}.")
    if refused:
        raise typer.Exit(FAULT)
