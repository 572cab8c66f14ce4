"""A worker may be started before Kafka can be reached: it waits, says for what, and goes on by itself."""

import asyncio
import socket
import sysconfig
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.notification.profiles import PROFILES
from streams.sandbox.payments import payment_event
from tests.support.guarded import USERS
from tests.support.notifier import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

FAUST: dict[str, Any] = {
    "program": Path(sysconfig.get_path("scripts")) / "faust",
    "command": "-A streams.app worker --loglevel info",
}


async def waits(worker, sentence):
    """Check that a worker lives, is not ready, and says in its log and at its web port what it waits for."""
    await worker.listening()
    await worker.said(f"waiting for Kafka for .*{sentence}")
    live, ready = await worker.get("/health/live"), await worker.get("/health/ready")
    assert (live.status_code, ready.status_code) == (200, 503)
    (reason,) = [why for why in ready.json()["reasons"] if why.startswith("waiting for Kafka: ")]
    assert sentence in reason
    assert (await worker.get("/metrics")).is_success


@asynccontextmanager
async def broken(broker, how):
    """Take the broker away for a while: `stop` or `freeze`."""
    await asyncio.to_thread(getattr(broker, how))
    try:
        yield
    finally:
        await asyncio.to_thread(broker.start if how == "stop" else broker.thaw)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [("stop", "no broker answers at"), ("freeze", "it answers nothing")],
)
async def test_workers_outlast_the_absence_of_their_broker(
    make_deployment, own_broker, how, sentence
):
    """Nobody there, or a broker that answers nothing: `notifier` and `faust` wait longer than clients do, then deliver."""
    async with AsyncExitStack() as stack:
        places = [
            await stack.enter_async_context(make_deployment(broker=own_broker)) for _ in range(2)
        ]
        orders = [
            await place.send(
                payment_event(
                    profile, rng=place.rng, notify_url=place.partner.notify_url(profile, "S")
                )
                for profile in PROFILES
            )
            for place in places
        ]
        async with broken(own_broker, how):
            workers = [
                places[0].worker(),
                stack.enter_context(WorkerProcess(places[1].settings(role="main"), **FAUST)),
            ]
            for worker in workers:
                await waits(worker, sentence)
            await asyncio.sleep(45)  # aiokafka's own patience ends after 40 s at the most
            for worker in workers:
                assert worker.alive
                await waits(worker, sentence)
        for place, worker, told in zip(places, workers, orders, strict=True):
            await worker.ready()
            await place.delivered(told)
            said = worker.log.count("waiting for Kafka for ")
            assert 2 <= said <= 8  # at once, after 10 s, after 30 s, and when it is another reason
            assert worker.log.count("Kafka was reached after ") == 1
            assert worker.unwanted == []
            assert await worker.stop() == 0


@pytest.mark.parametrize("how", ["stop", "interrupt"])
@pytest.mark.parametrize("other", [{}, FAUST], ids=["notifier", "faust"])
async def test_a_waiting_worker_ends_when_it_is_told_to(make_deployment, other, how):
    """SIGTERM ends it with 0; Ctrl-C ends `notifier worker` with 130."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        brokers = f"127.0.0.1:{nobody.getsockname()[1]}"
        async with make_deployment(topics=False) as deployment:
            settings = deployment.settings(brokers=brokers, role="retry" if other else "all")
            with WorkerProcess(settings, **other) as worker:
                await waits(worker, "no broker answers at")
                code = await getattr(worker, how)()
                assert code == (130 if how == "interrupt" and not other else 0)
                assert worker.unwanted == []


async def test_a_name_that_does_not_resolve_yet_is_waited_for(make_deployment):
    """The broker's name may come later than we do."""
    async with make_deployment(topics=False) as deployment:
        worker = deployment.worker(brokers="kafka.does-not-exist.invalid:9092")
        await waits(worker, "no broker answers at kafka.does-not-exist.invalid:9092")
        assert await worker.stop() == 0


async def test_a_listener_that_hangs_up_is_waited_for(make_deployment):
    """A load balancer without a broker behind it takes the connection and ends it."""

    async def hang_up(_reader, writer):
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, make_deployment(topics=False) as deployment:
        for protocol in ("PLAINTEXT", "SSL"):
            worker = deployment.worker(
                brokers=f"127.0.0.1:{port}", kafka_security_protocol=protocol
            )
            await waits(worker, "ends the connection")
            assert await worker.stop() == 0


@pytest.mark.parametrize("other", [{}, FAUST], ids=["notifier", "faust"])
async def test_what_will_not_pass_ends_it_at_once(make_guarded, tmp_path, other):
    """A wrong password is refused today and tomorrow: 1, with the setting's name and without the password."""
    async with make_guarded() as guarded:
        wrong = tmp_path / "wrong.password"
        wrong.touch(0o600)
        wrong.write_text("WRONG-CANARY")
        settings = guarded.deployment.settings(
            **guarded.access("main", kafka_password_file=wrong), role="main"
        )
        with WorkerProcess(settings, **other) as worker:
            assert await worker.ended() == 1
            assert "fault: NOTIFIER_KAFKA_USER, NOTIFIER_KAFKA_PASSWORD_FILE: " in worker.log
            assert "WRONG-CANARY" not in worker.log
            assert USERS["main"] not in worker.log
            assert worker.unwanted == []


async def test_topics_that_differ_end_it_at_once(make_deployment):
    """What an operator must mend is no reason to wait: 1, with every difference."""
    async with make_deployment(topics=False) as deployment:
        worker = deployment.worker()
        assert await worker.ended() == 1
        assert "fault: " in worker.log
        assert "`notifier topics create` makes the missing ones" in worker.log
        assert "waiting for Kafka" not in worker.log
