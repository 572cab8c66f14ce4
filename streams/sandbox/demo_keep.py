"""What goes on after the demo with `--keep`: the console, and a payment a second, so that there is something to look at."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from hashlib import sha256
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from random import Random  # noqa: TID251  # the type only; the generator is passed in
from secrets import token_urlsafe

import yaml
from rich.console import Console

from streams.clock import Clock
from streams.interruptible import run_until_interrupted
from streams.notification.profiles import PROFILES
from streams.sandbox.client import encode
from streams.sandbox.demo_script import SILENT, ends, moment
from streams.sandbox.demo_work import SOURCE, Parts, say
from streams.sandbox.demo_worker import Worker, free_port
from streams.sandbox.ledger import DELIVERED
from streams.sandbox.ledger_evidence import write_records
from streams.sandbox.partner import notify_url
from streams.sandbox.payments import Event, order_id, payment_event

_BATCH_SECONDS = 4.0
_SCRIPTS = ("S", "S", "never", "U,S", "S", "http:503,S", "S")
"""Answers; the profiles take turns."""
_REFUSED = "F:PROCESS_FAIL,S"
"""For a profile to which that F is final: refused at first and taken when it is put back."""


def keep(
    parts: Parts, directory: Path, environment: Mapping[str, str], rng: Random, console: Console
) -> None:
    """Run the console beside everything else, with a payment a second, until Ctrl-C.

    Args:
        parts: what runs.
        directory: takes the console's files.
        environment: the worker's.
        rng: what differs from payment to payment.
        console: takes the output.

    Raises:
        NotifierError: the worker or the console ended.
        KafkaError: the broker refused.
    """
    with ExitStack() as stack:
        shown, token = None, "-"
        if find_spec("jinja2") is not None:
            shown, token = _start_console(stack, directory, environment)
        first = _payments(parts, rng)
        silent = next(event for event in first if event["partnerId"].endswith(SILENT))
        _write(parts, first)
        say(
            console,
            "\nEverything keeps running until Ctrl-C, with two payments a second:\n"
            f"  console   {shown.url if shown else 'not installed: payment-notifier[console]'}\n"
            f"  token     {token}\n"
            f"  look for  {order_id(silent)}: its partner does not answer\n"
            f"  brokers   {parts.brokers}\n"
            f"  metrics   {parts.worker.url}/metrics\n"
            f"  health    {parts.worker.url}/health/ready\n"
            f"  partner   {parts.partner.url}\n"
            f"  files     {directory} (partners.yaml, keys, tokens.yaml, logs)",
        )
        while True:
            time.sleep(_BATCH_SECONDS)
            parts.worker.check()
            if shown is not None:
                shown.check()
            _write(parts, _payments(parts, rng))


def _start_console(
    stack: ExitStack, directory: Path, environment: Mapping[str, str]
) -> tuple[Worker, str]:
    token, port, tokens = token_urlsafe(24), free_port(), directory / "tokens.yaml"
    digest = sha256(token.encode()).hexdigest()
    tokens.write_text(yaml.safe_dump({"tokens": {"demo": {"sha256": digest, "right": "replay"}}}))
    settings = dict(environment) | {
        "NOTIFIER_CONSOLE_PORT": str(port),
        "NOTIFIER_CONSOLE_BIND": "127.0.0.1",
        "NOTIFIER_CONSOLE_TOKENS_FILE": str(tokens),
        "NOTIFIER_CONSOLE_DATABASE": str(directory / "console.sqlite"),
    }
    shown = stack.enter_context(Worker(settings, directory / "console.log", port, "console"))
    shown.wait_until_ready()
    return shown, token


def _payments(parts: Parts, rng: Random) -> list[Event]:
    """Return one payment for each script; of the partners one never answers."""
    profiles = cycle(PROFILES)
    told = [(next(profiles), script) for script in _SCRIPTS]
    told += [(name, "S") for name in islice(profiles, max(0, len(PROFILES) - len(told)))]
    told += [
        (name, _REFUSED)
        for name, profile in PROFILES.items()
        if ends(profile, _REFUSED) != DELIVERED
    ][:1]
    now = moment(Clock().now_seconds())
    return [_payment(parts, rng, now, profile, script) for profile, script in told]


def _payment(parts: Parts, rng: Random, now: datetime, profile: str, script: str) -> Event:
    url = notify_url(parts.partner.url, profile, script)
    event = payment_event(profile, rng=rng, at=now, notify_url=url)
    if script == "never":
        event["partnerId"] += SILENT
    return event


def _write(parts: Parts, events: list[Event]) -> None:
    records = [(order_id(event).encode(), encode(event)) for event in events]
    run_until_interrupted(write_records(parts.brokers, SOURCE, records))
