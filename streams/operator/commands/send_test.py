"""`notifier send-test`: one signed call that proves address, network, TLS, keys and signatures before going live."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from streams.clock import Clock
from streams.interruptible import run_until_interrupted
from streams.notification.intake import Refused, prepare, read_event
from streams.notification.notification import Notification
from streams.notification.profile import Profile
from streams.notification.profiles import PROFILES
from streams.notification.rehearsal import rehearsal_event
from streams.operator.commands.common import (
    FAULT,
    Json,
    fail,
    partners_or_fail,
    print_json,
    say,
    settings_or_fail,
)
from streams.operator.commands.diagnosis import TestReport, report_of
from streams.operator.commands.output import print_table, shown
from streams.operator.history.text import duration
from streams.partners import Partner
from streams.settings import Settings
from streams.webhook.egress import guard_of
from streams.webhook.https import AttemptResult, WebhookClient


def send_test(
    partner: Annotated[str, typer.Argument(help="An entry of the partners file.")],
    profile: Annotated[
        str | None, typer.Option(help="Which of its profiles; needed where it has several.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send one test notification to a partner, over the real way, and say what to mend.

    It is told as failed (F PROCESS_FAIL), its order id begins with TEST-, its amount is 1 XTS. Kafka is not touched.

    notifier send-test acme --profile mpp-to-alipay-plus
    """
    settings = settings_or_fail()
    partners = partners_or_fail(settings)
    entry = partners.get(partner)
    if entry is None:
        known = ", ".join(sorted(partners)) or "none"
        fail(f"the partners file has no entry {shown(partner)}, expected one of {known}")
    spoken = PROFILES[_profile(entry, profile)]
    clock = Clock()
    notification = _notification(settings, entry, spoken, clock)
    url = notification.notify_url or entry.terms.notify_url or ""
    call = run_until_interrupted(_call(settings, entry, spoken, url, notification.body, clock))
    report = report_of(entry, spoken, url, notification, call)
    if as_json:
        print_json(asdict(report))
    else:
        _print(report)
    if not report.acknowledged:
        raise typer.Exit(FAULT)


def _profile(entry: Partner, wanted: str | None) -> str:
    names = sorted(entry.terms.profiles)
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        message = f"--profile: seen {wanted or 'none'}, expected one that the partner lists: {', '.join(names)}"
        fail(message)
    return wanted


def _notification(
    settings: Settings, entry: Partner, profile: Profile, clock: Clock
) -> Notification:
    now = datetime.fromtimestamp(clock.now_seconds(), UTC)
    raw = rehearsal_event(
        profile, entry.partner_id, f"{now:%Y%m%dT%H%M%S%f}", now.isoformat(timespec="seconds")
    )
    made = read_event(raw, allow_http=settings.allow_http)
    if not isinstance(made, Refused):
        prepared = prepare(made, entry.terms, accepted_at_ms=clock.now_ms(), origin="test/0/0")
        if not isinstance(prepared, Refused):
            return prepared.notification
        made = prepared
    return fail(f"no test notification can be made: {made.detail}")


async def _call(
    settings: Settings, entry: Partner, profile: Profile, url: str, body: bytes, clock: Clock
) -> AttemptResult:
    with ThreadPoolExecutor(2) as threads:
        caller = WebhookClient(
            clock=clock,
            guard=guard_of(settings),
            signing_threads=threads,
            lookup_threads=threads,
            user_agent="payment-notifier-test",
            source_addresses=settings.egress_source_address,
        )
        try:
            return await caller.call(entry, url, body, signed_answer=entry.signed_answer(profile))
        finally:
            await caller.aclose()


def _print(report: TestReport) -> None:
    print(report.request)
    for name, value in report.headers.items():
        print(f"{name}: {value}")
    print()
    print(report.body)
    print()
    print_table(
        ("", ""),
        (
            ("partner", report.partner_id),
            ("profile", report.profile),
            ("order", report.order_id),
            ("request left", report.request_left),
            ("HTTP status", report.http_status or "-"),
            ("answer", report.answer),
            ("its signature", report.answer_signature or "-"),
            ("took", duration(report.took_ms)),
        ),
    )
    say("acknowledged" if report.acknowledged else f"not acknowledged: {report.mend}")
