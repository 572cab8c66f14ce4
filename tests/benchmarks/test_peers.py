"""The peer written by hand for speed: what it signs, and what it has in hand."""

import asyncio
import os
import runpy
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from benchmarks.peers.aiokafka_aiohttp import Deliverer, Window
from benchmarks.peers.common import RECORD, VALIDATE
from benchmarks.signatures import signature_ms
from benchmarks.systems import System
from schemas.attempt_record import AttemptRecord
from streams.sandbox.client import encode
from streams.sandbox.keys import CLIENT_ID
from streams.sandbox.signatures import load_private_key, sign
from tests.benchmarks.peer_parts import SUCCEEDED, FakeProducer, event
from tests.support.waiting import TIMEOUT_SECONDS, eventually

APP = """
import asyncio, faust
app = faust.App("x", store="memory://")

@app.command()
async def show(self):
    print(type(asyncio.get_running_loop()).__module__)
"""


def test_faust_runs_on_uvloop(tmp_path):
    """As the notifier does."""
    (tmp_path / "an_app.py").write_text(APP)
    command = System("faust").command()
    done = subprocess.run(  # noqa: S603  # our own
        [*command[: command.index("-A")], "-A", "an_app", "show"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.stdout.strip() == "uvloop"


@pytest.mark.parametrize("name", ["aiokafka_httpx", "aiokafka_aiohttp"])
def test_a_consumer_written_by_hand_runs_on_uvloop(name, monkeypatch):
    """As the notifier does."""
    ran = []

    def note(main, run):
        main.close()
        ran.append(run)

    for run in ("uvloop.run", "asyncio.run"):
        monkeypatch.setattr(run, partial(note, run=run))
    monkeypatch.delitem(sys.modules, f"benchmarks.peers.{name}", raising=False)
    runpy.run_module(f"benchmarks.peers.{name}", run_name="__main__")
    assert ran == ["uvloop.run"]


def test_a_peer_signs_as_anybody_does_and_encodes_as_fast_as_the_notifier(desk, keys, monkeypatch):
    """The same header to the byte, without urllib's quote, which the notifier does without as well."""
    request = desk.request(event())
    when = request.headers["Request-Time"]
    key = load_private_key(keys.sender.private)
    expected = sign(key, request.path, CLIENT_ID, when, request.body)
    assert request.headers["Signature"] == expected
    monkeypatch.delattr("streams.sandbox.signatures.quote")
    assert desk.request(event()).headers["Signature"]


def test_the_unit_of_cost_is_the_signature_alone(keys, monkeypatch):
    """Without the encoding, which each system does in its own way."""
    monkeypatch.delattr("streams.sandbox.signatures.quote")
    assert signature_ms(keys.sender.private, seconds=0.01) > 0


class FakeWindow:
    """Notes what is settled."""

    def __init__(self):
        self.left = []

    def leave(self, partition, offset):
        self.left.append((partition, offset))


class FakeSession:
    """Answers every call S, and notes how many there were at once."""

    def __init__(self):
        self.calls = self.most = 0

    @asynccontextmanager
    async def post(self, _url, *, data, headers):
        assert data
        assert headers["Signature"]
        self.calls += 1
        self.most = max(self.most, self.calls)
        await asyncio.sleep(0)
        self.calls -= 1
        yield SimpleNamespace(status=200, headers={}, read=self._read)

    async def _read(self):
        return SUCCEEDED


def deliverer_of(desk, producer, window, session=None):
    """Return a deliverer whose every call is answered S."""
    calls: Any = session or FakeSession()
    return Deliverer(desk, calls, producer, window)


def record_of(value):
    """Return a record of a source topic."""
    return SimpleNamespace(topic="final", partition=3, offset=42, key=b"order", value=value)


@pytest.mark.parametrize("desk", [RECORD], indirect=True)
async def test_a_record_is_settled_when_the_broker_has_its_attempts_record(desk):
    """Not before: else a crash would leave a delivery that nobody knows of."""
    producer, window = FakeProducer(), FakeWindow()
    deliverer = deliverer_of(desk, producer, window)
    delivering = asyncio.create_task(deliverer.deliver("final-3", record_of(encode(event()))))
    await asyncio.sleep(0.1)
    ((_, ((key, value),)),) = producer.sent
    assert window.left == []
    read = AttemptRecord.model_validate_json(value)
    assert (key.decode(), read.origin) == (read.order_id, "final/3/42")
    producer.acknowledged.set_result(None)
    await delivering
    assert window.left == [("final-3", 42)]


@pytest.mark.parametrize(("desk", "records"), [(RECORD, 2), (VALIDATE, 1)], indirect=["desk"])
async def test_a_record_that_waits_for_the_broker_takes_no_call_from_another(desk, records):
    """Who writes attempts records has twice as many records in hand as calls at once, like the notifier."""
    window = Window(desk, SimpleNamespace())
    partition = TopicPartition("final", 0)
    for offset in range(records):
        await asyncio.wait_for(window.enter(partition, offset), timeout=60)
    one_more = asyncio.create_task(window.enter(partition, records))
    await asyncio.sleep(0)
    assert not one_more.done()
    window.leave(partition, 0)
    await asyncio.wait_for(one_more, timeout=60)


@pytest.mark.parametrize("desk", [RECORD], indirect=True)
async def test_records_in_hand_make_no_more_calls_at_once_than_allowed(desk):
    """The second is called for once the first has its answer, while that waits for the broker."""
    producer, session = FakeProducer(), FakeSession()
    deliverer = deliverer_of(desk, producer, FakeWindow(), session)
    record = record_of(encode(event()))
    delivering = [asyncio.create_task(deliverer.deliver("final-3", record)) for _ in range(2)]

    async def both_were_told():
        return sum(len(records) for _, records in producer.sent) == 2

    await eventually(both_were_told)
    assert session.most == 1
    producer.acknowledged.set_result(None)
    await asyncio.gather(*delivering)


@pytest.mark.parametrize("desk", [VALIDATE], indirect=True)
async def test_an_event_that_is_refused_goes_to_the_retry_topic(desk):
    """No partner is called for it, and the peer goes on."""
    producer, window = FakeProducer(), FakeWindow()
    deliverer = deliverer_of(desk, producer, window)
    refused = [b"no event", encode(event() | {"profile": "none"})]
    for value in refused:
        await deliverer.deliver("final-3", record_of(value))
    assert producer.retries == [(desk.retry_topic, value, b"order") for value in refused]
    assert len(window.left) == len(refused)
