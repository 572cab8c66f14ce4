"""Why lanes exist: what an ordinary Faust application loses under the load and the kills that the notifier withstands."""

import asyncio
import json
import os
import signal
import sys
import time

import pytest

from streams.sandbox.client import create_topic, encode
from streams.sandbox.guard import Guarded
from streams.sandbox.ledger_evidence import committed_offsets, read_topics
from streams.sandbox.partner import notify_url
from streams.sandbox.partner_process import PartnerProcess
from streams.sandbox.payments import order_id, payment_event
from streams.sandbox.script import Answer
from tests.faults.figures import note
from tests.faults.load import ROOT, Load
from tests.support.kafka import ends_of, producer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(600)]

NAME, TOPIC, GROUP, PARTITIONS, KILLS = "ordinary Faust app", "ordinary", "ordinary-app", 4, 2
SLOW = ",".join(["http:500"] * 10 + ["S"])
"""Ten seconds of trying again: several of Faust's commit intervals of 2.8 s."""

_END_SECONDS = 60.0
_NOT_TAKEN = {"http", "drop", "refuse", "retry-after", "never"}


def _say(what):
    sys.stdout.write(f"[faults] {NAME}: {what}\n")
    sys.stdout.flush()


def _start(broker, keys, directory, output):
    environment = os.environ | {
        "ORDINARY_BROKERS": broker.bootstrap,
        "ORDINARY_TOPIC": TOPIC,
        "ORDINARY_GROUP": GROUP,
        "ORDINARY_KEY": str(keys.sender.private),
        "ORDINARY_CA": str(keys.ca),
        "ORDINARY_DATA": str(directory),
    }
    command = [sys.executable, "-m", "faust", "-A", "tests.faults.ordinary_app", "worker"]
    return Guarded(
        [*command, "--without-web"], output=output, environment=environment, directory=ROOT
    )


def _kill(worker):
    worker.send(signal.SIGKILL)
    worker.wait(_END_SECONDS)


async def _slow_heads(broker, partner, rng):
    """Write an event to each partition that the partner takes only after some time; return where each stands."""
    async with producer(broker.bootstrap) as client:
        places = {}
        for partition in range(PARTITIONS):
            profile = "mpp-to-ant"
            event = payment_event(
                profile, rng=rng, notify_url=notify_url(partner.url, profile, SLOW)
            )
            key = order_id(event).encode()
            stored = await client.send_and_wait(TOPIC, encode(event), key, partition)
            places[TOPIC, partition] = stored.offset
    return places


def _not_told(stored, requests):
    """Return the order ids of which no request was taken."""
    taken = {
        request.order_id
        for request in requests
        if Answer.parse(request.answer).kind not in _NOT_TAKEN
    }
    return {order_id(json.loads(record.value)) for record in stored} - taken


async def test_an_ordinary_app_loses_records(  # noqa: PLR0913, PLR0917  # the fixtures of a scenario
    broker, keys, seed, figures, rng, tmp_path
):
    """Two SIGKILLs while slow records head their partitions: Faust has committed past them, and they are gone."""
    await create_topic(broker.bootstrap, TOPIC, PARTITIONS)
    log = tmp_path / "app.log"
    began, worker, load = time.monotonic(), None, None
    with PartnerProcess(keys) as partner:
        try:
            worker = _start(broker, keys, tmp_path, log)
            load = Load(
                broker.bootstrap, TOPIC, partner.url, seed=f"{seed}:{NAME}", directory=tmp_path
            )
            await load.begun()
            for kill in range(KILLS):
                await asyncio.to_thread(
                    partner.wait_for, len(partner.requests) + 400, timeout_seconds=120
                )
                heads = await _slow_heads(broker, partner, rng)

                async def passed(heads=heads):
                    committed = await committed_offsets(broker.bootstrap, [GROUP])
                    return any(committed.get(tag, 0) > offset for tag, offset in heads.items())

                await eventually(passed, 60, what="a commit past a record in flight")
                _kill(worker)
                _say(f"kill {kill + 1} of {KILLS}, after a commit past a record in flight")
                worker = _start(broker, keys, tmp_path, log)
            await asyncio.to_thread(
                partner.wait_for, len(partner.requests) + 400, timeout_seconds=120
            )
            written = await load.end()

            async def done():
                ends = await ends_of(broker.bootstrap, [TOPIC])
                committed = await committed_offsets(broker.bootstrap, [GROUP])
                return all(committed.get(tag, 0) >= end for tag, end in ends.items())

            await eventually(done, 120, what="commits of all records", every_seconds=0.5)
            worker.send(signal.SIGTERM)
            await asyncio.to_thread(worker.wait, _END_SECONDS)
            stored = await read_topics(broker.bootstrap, [TOPIC])
        finally:
            if worker is not None:
                _kill(worker)
            if load is not None:
                load.kill()
    lost = _not_told(stored, partner.requests)
    row = {
        "scenario": NAME,
        "events": len(stored),
        "rate": round(written.events / written.seconds, 1),
        "seconds": round(time.monotonic() - began, 1),
        "done": {"SIGKILL": KILLS, "slow records": KILLS * PARTITIONS},
        "calls": len(partner.requests),
        "lost": len(lost),
        "passed": bool(lost),
    }
    _say(json.dumps(row))
    note(figures, NAME, row)
    assert lost, "Faust lost nothing: see whether lanes are still needed"
