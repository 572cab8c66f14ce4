"""`notifier send-test`: one signed call that proves address, network, TLS, keys and signatures before going live."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from schemas.notify_url import NotifyUrl
from streams.clock import Clock
from streams.interruptible import run_until_interrupted
from streams.notification.intake import Refused, prepare, read_event
from streams.notification.notification import Notification
from streams.notification.profile import Profile
from streams.notification.profiles import PROFILES
from streams.notification.rehearsal import rehearsal_event
from streams.operator.commands.check_event import USER_AGENT, print_request, request_members
from streams.operator.commands.common import (
    FAULT,
    Json,
    fail,
    is_for_a_program,
    partners_or_fail,
    print_json,
    say,
    settings_or_fail,
    used_wrongly,
    warn,
)
from streams.operator.commands.diagnosis import TestReport, report_of
from streams.operator.commands.output import print_table, shown
from streams.operator.commands.sides import entry_or_fail, their_side
from streams.operator.history.text import duration
from streams.partners import Partner
from streams.settings import CONSOLE_FILES, KAFKA_FILES, Settings
from streams.webhook.client import Exchange
from streams.webhook.diagnosis import Finding
from streams.webhook.egress import guard_of
from streams.webhook.exact_request import ExactRequest, exact_request, missing_of_curl
from streams.webhook.https import AttemptResult, WebhookClient
from streams.webhook.lookup_threads import LookupThreads
from streams.webhook.recording import RecordedAnswer, RecordedRequest
from streams.webhook.signing import request_time
from streams.webhook.verdict import Side, answer_findings

Outcome = Literal["SUCCESS", "FAILED", "CANCELLED"]


def send_test(  # one argument for each option
    partner: Annotated[str, typer.Argument(help="An entry of the partners file.")],
    profile: Annotated[
        str | None, typer.Option(help="Which of its profiles; needed where it has several.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="The notify URL, as an event would name it; the entry's unless given."),
    ] = None,
    outcome: Annotated[
        Outcome, typer.Option(help="How the payment ended, by what is told.")
    ] = "FAILED",
    reason: Annotated[
        str | None, typer.Option(help="Payment core's reason for FAILED, mapped as an event's.")
    ] = None,
    show_request: Annotated[
        bool,
        typer.Option(
            "--show-request", help="Print the exact request, signature included; send nothing."
        ),
    ] = False,
    curl: Annotated[
        bool,
        typer.Option(
            "--curl", help="Print the curl command that makes the same call; send nothing."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Send one test notification to a partner, over the real way, and say what to mend.

    Unless told otherwise it is F PROCESS_FAIL. Its order id begins with TEST-, its amount is 1 XTS. Kafka is not touched.

    notifier send-test acme --profile mpp-to-alipay-plus
    """
    settings = settings_or_fail(*KAFKA_FILES, *CONSOLE_FILES)
    partners = partners_or_fail(settings)
    entry = entry_or_fail(partners, partner)
    if reason is not None and outcome != "FAILED":
        used_wrongly(f"--reason goes with --outcome FAILED, seen {outcome}")
    called = url or entry.terms.notify_url
    if called is None:
        fail(
            f"partners.{partner} has no notify_url, expected --url with the address that its events name"
        )
    spoken = PROFILES[profile_or_fail(entry, profile)]
    clock = Clock()
    notification = rehearsal_notification(settings, entry, spoken, clock, outcome, reason, url)
    try:
        NotifyUrl.of(called)
    except (
        ValueError
    ) as error:  # a host like `a..b`, which an event's rules let pass and the attempt does not
        fail(f"--url: {error}")
    if show_request or curl:
        request = exact_request(entry, called, notification.body, clock.now_ms(), USER_AGENT)
        if curl:
            print(request.curl(entry, settings.partners_file.parent.absolute()))
            warn(f"--curl: {missing}" for missing in missing_of_curl(entry))
        else:
            _show(request)
        say("nothing was sent; the signature is real: whoever has this can send it")
        return
    call, exchange = run_until_interrupted(
        _call(settings, entry, spoken, called, notification.body, clock)
    )
    side = their_side(partners, entry, signed_answer=entry.signed_answer(spoken))
    report = report_of(
        entry,
        spoken,
        called,
        notification,
        call,
        _findings(entry, called, notification.body, call, exchange, side),
    )
    if as_json:
        print_json(asdict(report))
    else:
        _print(report)
    if not report.acknowledged:
        raise typer.Exit(FAULT)


def profile_or_fail(entry: Partner, wanted: str | None) -> str:
    """Return the name of one of a partner's profiles, or say which there are and exit with 1."""
    names = sorted(entry.terms.profiles)
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        message = f"--profile: seen {wanted or 'none'}, expected one that the partner lists: {', '.join(names)}"
        fail(message)
    return wanted


def rehearsal_notification(  # what an event says
    settings: Settings,
    entry: Partner,
    profile: Profile,
    clock: Clock,
    outcome: Outcome,
    reason: str | None = None,
    url: str | None = None,
) -> Notification:
    """Return a test notification with ids of its own, or say why there can be none and exit with 1."""
    now = datetime.fromtimestamp(clock.now_seconds(), UTC)
    raw = rehearsal_event(
        profile,
        entry.partner_id,
        f"{now:%Y%m%dT%H%M%S%f}",
        now.isoformat(timespec="seconds"),
        outcome=outcome,
        reason=reason,
        notify_url=url,
    )
    made = read_event(raw, allow_http=settings.allow_http)
    if not isinstance(made, Refused):
        prepared = prepare(made, entry.terms, accepted_at_ms=clock.now_ms(), origin="test/0/0")
        if not isinstance(prepared, Refused):
            if prepared.unmapped_reason:
                warn(
                    [
                        f"--reason: nothing maps {shown(reason or '')}, so {prepared.notification.result_code} is sent"
                    ]
                )
            return prepared.notification
        made = prepared
    return fail(f"no test notification can be made: {made.detail}")


def _show(request: ExactRequest) -> None:
    if is_for_a_program():
        print_json({"request": request_members(request)})
    else:
        print_request(request)


async def _call(
    settings: Settings, entry: Partner, profile: Profile, url: str, body: bytes, clock: Clock
) -> tuple[AttemptResult, Exchange | None]:
    exchanges: list[Exchange] = []
    with ThreadPoolExecutor(1) as threads, LookupThreads(1) as lookups:
        caller = WebhookClient(
            clock=clock,
            guard=guard_of(settings),
            signing_threads=threads,
            lookup_threads=lookups,
            user_agent="payment-notifier-test",
            source_addresses=settings.egress_source_address,
            on_exchange=exchanges.append,
        )
        try:
            result = await caller.call(entry, url, body, signed_answer=entry.signed_answer(profile))
        finally:
            await caller.aclose()
    return result, next(iter(exchanges), None)


def _findings(  # the call and both sides
    entry: Partner,
    url: str,
    body: bytes,
    call: AttemptResult,
    exchange: Exchange | None,
    side: Side,
) -> tuple[Finding, ...]:
    """Return what is wrong with the answer, where there is one."""
    if exchange is None or exchange.http_status is None:
        return ()
    path = NotifyUrl.of(url).path
    now = request_time(call.started_at_ms, entry.request_time_format)
    request = RecordedRequest(
        "POST", path, {"client-id": entry.client_id, "request-time": now}, body
    )
    answer = RecordedAnswer(exchange.http_status, exchange.headers, exchange.body)
    # the body's length stands in the report of the call; here the connection has judged it
    found = answer_findings(answer, path, request, side)
    return tuple(
        finding for finding in found if finding.rule not in {"http-status", "content-length"}
    )


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
    for finding in report.findings:
        say(
            shown(
                f"answer: {'broken' if finding.broken else 'odd'}: {finding.rule}: {finding.text}"
            )
        )
    say("acknowledged" if report.acknowledged else f"not acknowledged: {report.mend}")
