"""`notifier conformance`: the situations of a receiver's life, played against one, and a report that both sides can file."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated

import typer

from streams.clock import Clock
from streams.interruptible import run_until_interrupted
from streams.notification.profiles import PROFILES
from streams.operator.commands.common import (
    FAULT,
    Json,
    fail,
    is_for_a_program,
    partners_or_fail,
    print_json,
    say,
    settings_or_fail,
)
from streams.operator.commands.output import shown
from streams.operator.commands.send_test import profile_or_fail, rehearsal_notification
from streams.operator.commands.sides import entry_or_fail, their_side
from streams.partners.inventory import fingerprint
from streams.settings import CONSOLE_FILES, KAFKA_FILES
from streams.webhook.conformance import SITUATIONS, Conformance, Played, called_url
from streams.webhook.connector import sources_of
from streams.webhook.egress import DestinationBlocked, guard_of
from streams.webhook.lookup_threads import LookupThreads
from streams.webhook.lookups import Lookups
from streams.webhook.resolver import CheckedResolver, system_lookup


def conformance(
    url: Annotated[str, typer.Argument(help="The receiver's notify URL, of a test environment.")],
    partner: Annotated[
        str,
        typer.Option(
            help="The entry of the partners file: client id, our key, the receiver's key, TLS."
        ),
    ],
    profile: Annotated[
        str | None, typer.Option(help="Which of its profiles; needed where it has several.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Play a receiver's life against it: first call, repeat, F, cancel, odd bytes, hang-up, slow, forged; print a report.

    Its notifications are tests (TEST- in the order id, 1 XTS), and some say that the payment succeeded. Kafka is not asked.

    notifier conformance https://test.acme.example/notify --partner acme > report.md
    """
    settings = settings_or_fail(*KAFKA_FILES, *CONSOLE_FILES)
    partners = partners_or_fail(settings)
    entry = entry_or_fail(partners, partner)
    if entry.proxy is not None:
        fail(
            f"partners.{partner} has a proxy; expected an entry without: the situations are played on connections of their own"
        )
    guard = guard_of(settings)
    for situation in SITUATIONS:
        called = called_url(url, situation)
        try:
            guard.check_url(called, entry.allowed_hosts, entry.named_servers)
        except DestinationBlocked as error:
            added = "" if called == url else f" with what the situation {situation.name} adds to it"
            fail(f"the receiver may not be called{added}: {error}")
    spoken, clock = PROFILES[profile_or_fail(entry, profile)], Clock()
    with LookupThreads(1) as threads:
        lookups = Lookups(system_lookup, threads)
        run = Conformance(
            url,
            entry,
            their_side(partners, entry, signed_answer=entry.signed_answer(spoken)),
            CheckedResolver(guard, lookups, {}, entry.named_servers),
            sources_of(settings.egress_source_address),
            {
                "success": rehearsal_notification(
                    settings, entry, spoken, clock, "SUCCESS", url=url
                ).body,
                "failed": rehearsal_notification(
                    settings, entry, spoken, clock, "FAILED", url=url
                ).body,
                "cancelled": rehearsal_notification(
                    settings, entry, spoken, clock, "CANCELLED", url=url
                ).body,
            },
            clock.now_ms,
        )
        played = run_until_interrupted(_all(run))
    key = entry.signing_key(clock.now_seconds())
    facts = {
        "receiver": url.partition("?")[0],
        "partner": partner,
        "profile": spoken.name,
        "client_id": entry.client_id,
        "our_public_key_sha256": fingerprint(key.private_key.public_key()),
        "receiver_public_keys_sha256": ", ".join(map(fingerprint, entry.peer_keys.values()))
        or "none",
        "time": datetime.fromtimestamp(clock.now_seconds(), UTC).isoformat(timespec="seconds"),
        "notifier": version("payment-notifier"),
    }
    passed = all(each.passed for each in played)
    if as_json:
        print_json({"passed": passed, **facts, "situations": [asdict(each) for each in played]})
    else:
        print("\n".join(_report(facts, played)))
    if not passed:
        raise typer.Exit(FAULT)


async def _all(run: Conformance) -> list[Played]:
    played = []
    async for each in run.run():
        played.append(each)
        if not is_for_a_program():
            say(
                f"{len(played)} of {len(SITUATIONS)}: {each.name}: {'passed' if each.passed else 'failed'}"
            )
    return played


def _report(facts: dict[str, str], played: Sequence[Played]) -> list[str]:
    """Return the report's lines, Markdown."""
    count = sum(each.passed for each in played)
    verdict = "The receiver passed." if count == len(played) else "The receiver did not pass."
    lines = ["# Conformance of a receiver of payment notifications", ""]
    lines += [
        f"{verdict} {count} of {len(played)} situations passed.",
        "",
        "| Fact | Value |",
        "| --- | --- |",
    ]
    lines += [
        f"| {_cell(name.replace('_', ' '))} | {_cell(value)} |" for name, value in facts.items()
    ]
    lines += [
        "",
        "| Situation | What was sent | Answer | Took | |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each.name} | {each.what} | {_cell(each.answer)} | {each.took_ms} ms | {'passed' if each.passed else '**failed**'} |"
        for each in played
    ]
    remarks = [(each, finding) for each in played for finding in each.findings]
    if remarks:
        lines += ["", "## What to mend, and what is odd", ""]
        lines += [
            f"- {each.name}: {'broken' if finding.broken else 'odd'}: {finding.rule}: {shown(finding.text)}"
            for each, finding in remarks
        ]
    return lines


def _cell(text: str) -> str:
    return shown(text).replace("|", "\\|")
