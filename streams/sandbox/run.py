"""What `notifier sandbox` runs: a broker, a partner and a stream of payments, together or each alone."""

import shlex
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random  # noqa: TID251  # seeded by the caller
from typing import NoReturn

from aiokafka.errors import KafkaError

from streams.clock import Clock
from streams.interruptible import run_until_interrupted
from streams.sandbox.broker import Broker
from streams.sandbox.client import create_topic, produce
from streams.sandbox.inbox import Received
from streams.sandbox.interrupts import no_interrupt_is_lost
from streams.sandbox.keys import Keys, keys_in, make_keys, write_partners_file
from streams.sandbox.node import BrokerError
from streams.sandbox.partner import PATHS, ScriptedPartner, notify_url
from streams.sandbox.payments import Event
from streams.sandbox.payments import events as payments

_PARTITIONS = 12
_REPORT_EVERY_SECONDS = 10.0
_CLOCK = Clock()


def run_sandbox(  # noqa: PLR0913  # one argument for each option of the command
    directory: Path | None = None,
    *,
    broker: bool = True,
    partner: bool = True,
    events: int | None = 0,
    rate_per_second: float | None = 10.0,
    brokers: str = "localhost:9092",
    topic: str = "payment-final-state",
    shares: Mapping[str, float] | None = None,
    tls: bool = True,
    port: int = 0,
    record: Path | None = None,
    seed: int = 0,
    show: Callable[[Received, Keys], None] | None = None,
    say: Callable[[str], None] = lambda line: print(line, flush=True),  # noqa: T201  # a command's output
) -> int:
    """Run the parts that are asked for until Ctrl-C.

    Args:
        directory: takes keys and partners.yaml, and keeps them; a temporary one by default, deleted at the end.
        broker: start a real Kafka with the source topic.
        partner: start a partner for all profiles, with keys, certificates and a partners file.
        events: how many payments become final; None goes on without end.
        rate_per_second: how fast; None is as fast as it goes.
        brokers: bootstrap servers, used with `broker` off.
        topic: the source topic.
        shares: the partner's answers by weight; S when None.
        tls: whether the partner speaks HTTPS or plain HTTP.
        port: the partner's; 0 picks a free one.
        record: a file that takes one line of JSON for each request that the partner gets.
        seed: of everything that is drawn at random.
        show: is given each request that the partner gets, with the rehearsal's keys, before it is answered.
        say: takes each line for the user.

    Returns:
        the exit code: 130 after Ctrl-C, 0 after SIGTERM or SIGHUP.

    Raises:
        BrokerError: the broker did not start, or the source topic could not be made or written to.
        JarsError: its jars could not be fetched.
        PartnerError: the partner's port could not be opened.
    """
    rng = Random(seed)  # noqa: S311  # no secret: the same seed plays the same rehearsal
    with ExitStack() as stack:
        try:
            stack.enter_context(_exit_on(signal.SIGTERM, signal.SIGHUP))
            stack.enter_context(no_interrupt_is_lost())
            environment: dict[str, str] = {}
            home = directory or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-"))
            )
            if broker:
                say("starting Apache Kafka …")
                mine = [] if directory else [home]
                brokers = stack.enter_context(Broker(remove=mine)).bootstrap
                environment["NOTIFIER_BROKERS"] = brokers
                run_until_interrupted(create_topic(brokers, topic, _PARTITIONS))
            server = None
            if partner:
                file = stack.enter_context(record.open("a", encoding="ascii")) if record else None
                keys = keys_in(home / "keys")
                if not keys.ca.exists():
                    keys = make_keys(home / "keys")
                server = stack.enter_context(
                    ScriptedPartner(
                        keys,
                        shares=shares,
                        rng=rng,
                        tls=tls,
                        port=port,
                        record=file,
                        show=None if show is None else partial(_show, show, keys),
                    )
                )
                urls = {profile: notify_url(server.url, profile) for profile in PATHS}
                environment["NOTIFIER_PARTNERS_FILE"] = str(
                    write_partners_file(home, urls, keys).absolute()
                )
                environment["NOTIFIER_EGRESS_ALLOW"] = "127.0.0.0/8"
                if not tls:
                    environment["NOTIFIER_ALLOW_HTTP"] = "true"
                say(f"the partner listens on {server.url}")
            _explain(environment, say)
            if events is None or events > 0:
                run_until_interrupted(
                    _produce(brokers, topic, payments(events, rng, now=_now), rate_per_second, say)
                )
            _report(server, say)
        except KeyboardInterrupt:
            say("stopping …")
            return 130
        except _Ended:
            return 0
        except KafkaError as error:
            message = f"{topic} at {brokers} can't be written to: {error}"
            raise BrokerError(message) from error


class _Ended(SystemExit):
    """SIGTERM or SIGHUP came. No Exception, and asyncio lets it through, so nothing on the way takes it for a fault."""


@contextmanager
def _exit_on(*numbers: signal.Signals) -> Iterator[None]:
    def end(*_: object) -> None:
        raise _Ended

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _explain(environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    if environment:
        say("\nIn another shell:\n")
        for name, value in environment.items():
            say(f"export {name}={shlex.quote(value)}")
        command = _command()
        say(f"\nthen: {command} topics create && {command} worker")
        say("Ctrl-C here stops everything.\n")


def _command() -> str:
    """Return what calls the notifier in another shell: its path where PATH does not lead to it."""
    ours, found = Path(sys.argv[0]).absolute(), shutil.which("notifier")
    if ours.name != "notifier" or (found and Path(found).resolve() == ours.resolve()):
        return "notifier"
    return shlex.quote(str(ours))


def _show(show: Callable[[Received, Keys], None], keys: Keys, received: Received) -> None:
    show(received, keys)


def _now() -> datetime:
    return datetime.fromtimestamp(_CLOCK.now_seconds(), UTC)


async def _produce(
    brokers: str,
    topic: str,
    events: Iterator[Event],
    rate: float | None,
    say: Callable[[str], None],
) -> None:
    step = max(1, int((rate or 1000) * _REPORT_EVERY_SECONDS))

    def progress(sent: int) -> None:
        if sent % step == 0:
            say(f"{sent} payments became final")

    sent = await produce(brokers, topic, events, rate_per_second=rate, progress=progress)
    say(f"{sent} payments became final; all are on {topic}")


def _report(server: ScriptedPartner | None, say: Callable[[str], None]) -> NoReturn:
    """Say every now and then what the partner got, without end."""
    never, reported = threading.Event(), -1
    while True:
        never.wait(_REPORT_EVERY_SECONDS)
        if server is not None and len(requests := server.requests) != reported:
            reported = len(requests)
            orders = len({request.order_id for request in requests})
            say(f"the partner got {reported} requests about {orders} orders")
