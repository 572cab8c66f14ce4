"""The demo's result as tables: every event by profile and final place, and what the ledger found."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.notification.profiles import PROFILES
from streams.sandbox.ledger import DELIVERED, Account, FaultKind, Reconciliation

_FAULTS_SHOWN = 20
_NOWHERE = "UNACCOUNTED FOR"
_NO_PROFILE = "(none can be read)"


def result_tables(report: Reconciliation) -> RenderableType:
    """Return everything that is to be said about a reconciliation."""
    return Group(_places(report), _attempts(report), _checks(report), *_faults(report))


def _places(report: Reconciliation) -> Table:
    table = Table(title="Every event, by profile and final place", title_justify="left")
    for name in ("profile", "final place"):
        table.add_column(name)
    for name in ("events", "calls"):
        table.add_column(name, justify="right")
    grouped: defaultdict[tuple[str, str], list[Account]] = defaultdict(list)
    for account in report.accounts:
        grouped[account.produced.profile, _place(account)].append(account)
    for profile in (*PROFILES, ""):
        places = sorted(place for name, place in grouped if name == profile)
        # delivered first, the rest by name
        for number, place in enumerate(sorted(places, key=lambda place: place != DELIVERED)):
            accounts = grouped[profile, place]
            table.add_row((profile or _NO_PROFILE) if not number else "", place, *_sums(accounts))
        table.add_section()
    for place, accounts in _by_place(report).items():
        table.add_row("all profiles", place, *_sums(accounts))
    table.add_section()
    table.add_row("all profiles", "all places", *_sums(report.accounts), style="bold")
    return table


def _by_place(report: Reconciliation) -> dict[str, list[Account]]:
    grouped: defaultdict[str, list[Account]] = defaultdict(list)
    for account in sorted(
        report.accounts, key=lambda account: (_place(account) != DELIVERED, _place(account))
    ):
        grouped[_place(account)].append(account)
    return grouped


def _place(account: Account) -> str:
    if not account.places:
        return _NOWHERE
    return " AND ".join(
        place if place == DELIVERED or place.startswith("waiting") else f"dead letter: {place}"
        for place in account.places
    )


def _sums(accounts: list[Account] | tuple[Account, ...]) -> tuple[str, str]:
    return str(len(accounts)), str(sum(account.calls for account in accounts))


def _attempts(report: Reconciliation) -> Table:
    table = Table(title="How many attempts it took", title_justify="left")
    table.add_column("attempts")
    events = Counter(account.attempts for account in report.accounts)
    for number in sorted(events):
        table.add_column(str(number), justify="right")
    table.add_row("events", *(str(events[number]) for number in sorted(events)))
    return table


def _checks(report: Reconciliation) -> Table:
    table = Table(
        title="What was checked, by the partner's record and Kafka's", title_justify="left"
    )
    table.add_column("check")
    table.add_column("result", justify="right")
    calls = sum(account.calls for account in report.accounts)
    table.add_row("calls", str(calls))
    table.add_row("repeated calls", str(sum(account.repeats for account in report.accounts)))
    late = (f"{report.lateness_at(share)} ms" for share in (0.5, 0.99, 1.0))
    table.add_row("lateness of retries, half / 99 % / all within", " / ".join(late))
    table.add_section()
    for kind in FaultKind:
        count = report.count(kind)
        table.add_row(kind.value, Text(str(count), "bold red" if count else "green"))
    return table


def _faults(report: Reconciliation) -> Iterator[Text]:
    for fault in report.faults[:_FAULTS_SHOWN]:
        yield Text(f"fault: {fault.kind}: event {fault.origin}: {fault.detail}", "red")
    if len(report.faults) > _FAULTS_SHOWN:
        yield Text(f"and {len(report.faults) - _FAULTS_SHOWN} more faults", "red")
