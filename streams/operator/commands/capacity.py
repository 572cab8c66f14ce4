"""`notifier capacity`: what a load takes."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.notification.profiles import PROFILES
from streams.operator.capacity import Capacity, Load, plan
from streams.operator.commands.common import Json

_GIVE_UP_HOURS = 72


def capacity(
    payments_per_second: Annotated[
        float, typer.Option(help="Payments that become final, at the peak; up to 100000.")
    ],
    latency: Annotated[float, typer.Option(help="Seconds that a partner takes to answer, mean.")],
    failure_share: Annotated[
        float, typer.Option(help="Share of attempts that have to be repeated.")
    ] = 0.01,
    failure_seconds: Annotated[
        float, typer.Option(help="Seconds that such an attempt takes; the time-out is the worst.")
    ] = 5.0,
    body_bytes: Annotated[int, typer.Option(help="Bytes of a request body.")] = 1000,
    outage_share: Annotated[
        float, typer.Option(help="Share of the payments whose partner is away for a day.")
    ] = 0.1,
    partner_max_in_flight: Annotated[
        int, typer.Option(help="max_in_flight of that partner; as many as are needed unless given.")
    ] = 0,
    profile: Annotated[
        str, typer.Option(help="Whose ladder: one of the profiles.")
    ] = "mpp-to-alipay-plus",
    as_json: Json = False,
) -> None:
    """Plan pods, partitions, CPU and Kafka for a load; docs/capacity.md says how it is reckoned."""
    if profile not in PROFILES:
        message = f"--profile: seen {profile!r}, expected one of {', '.join(PROFILES)}"
        raise typer.BadParameter(message)
    try:
        load = Load(
            payments_per_second,
            latency,
            failure_share,
            failure_seconds,
            body_bytes,
            outage_share,
            partner_max_in_flight,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    needed = plan(load, PROFILES[profile])
    if as_json:
        print(json.dumps({"load": asdict(load), "profile": profile, "capacity": asdict(needed)}))
        return
    table = Table(show_header=False, title=_title(load), title_justify="left")
    for name, text in rows(needed):
        table.add_row(name, text)
    Console().print(table)
    for warning in warnings(load, needed):
        Console(stderr=True).print(f"warning: {warning}", soft_wrap=True)


def rows(needed: Capacity) -> list[tuple[str, str]]:
    """Return what is printed: a name and a text each."""
    c = needed
    return [
        ("attempts a notification", f"{c.attempts_per_notification:.3f}"),
        (
            "attempts a second",
            f"{c.attempts_per_second:,.0f}, {c.retries_per_second:,.0f} of them retries",
        ),
        ("calls in flight", f"{c.in_flight_main:,.0f} main, {c.in_flight_retry:,.0f} retry"),
        (
            "CPU cores",
            (
                f"{c.cpu_cores_main:,.1f} main, {c.cpu_cores_retry:,.1f} retry;"
                f" {c.cpu_cores_signing:,.1f} of them for {c.signatures_per_second:,.0f} signatures/s"
            ),
        ),
        ("pods", f"{c.pods_main:,} main, {c.pods_retry:,} retry"),
        ("memory", size(c.memory_bytes)),
        ("partitions", f"{c.partitions:,} of each topic"),
        ("read from Kafka", f"{size(c.kafka_read_bytes_per_second)}/s"),
        (
            "written to Kafka",
            (
                f"{size(c.kafka_written_bytes_per_second)}/s,"
                f" {size(c.kafka_replicated_bytes_per_second)}/s with every copy"
            ),
        ),
        ("attempts topic, 30 days", f"{size(c.attempts_kept_bytes)} with every copy"),
        (
            "parked by a day's outage",
            (
                f"{c.outage_parked:,.0f} notifications, {c.outage_parks:,.0f} moves,"
                f" {size(c.outage_kept_bytes)} kept for a week with every copy"
            ),
        ),
        (
            "parks a second at its end",
            f"{c.outage_parks_per_second:,.0f}, which takes {c.outage_pods_retry:,} retry pods",
        ),
        (
            "max_in_flight of that partner",
            f"{c.partner_needs_in_flight:,} needed; its backlog drains in {c.outage_drain_seconds / 3600:,.1f} h",
        ),
    ]


def warnings(load: Load, needed: Capacity) -> list[str]:
    """Return what the numbers mean that is easily overlooked."""
    found = []
    if 0 < load.partner_max_in_flight < needed.partner_needs_in_flight:
        found.append(
            f"max_in_flight {load.partner_max_in_flight} is too small for that partner's payments:"
            f" {needed.partner_needs_in_flight} are needed, or its notifications are parked also without an outage"
        )
    if needed.outage_pods_retry > needed.pods_retry:
        found.append(
            f"at the end of a day's outage parks alone take {needed.outage_pods_retry} retry pods: with fewer, retries of"
            " other partners become overdue behind them. Scale retry on overdue notifications"
            + (
                f"; as more pods than partitions are idle, the topics need {needed.outage_pods_retry} partitions"
                if needed.outage_pods_retry > needed.partitions
                else ""
            )
        )
    hours = 24 + needed.outage_drain_seconds / 3600
    if hours > _GIVE_UP_HOURS:
        found.append(
            f"a day's outage is over after {hours:.0f} h: later than NOTIFIER_GIVE_UP_AFTER ({_GIVE_UP_HOURS} h),"
            " so that notifications expire; allow the partner more calls at once"
        )
    return found


def size(number: float) -> str:
    """Spell a number of bytes: `1.5 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000:  # noqa: PLR2004  # decimal units
            return f"{number:,.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} PB"


def _title(load: Load) -> str:
    return (
        f"{load.payments_per_second:,.0f} payments/s, {load.latency_seconds:g} s,"
        f" {load.failure_share:.1%} of attempts repeated"
    )
