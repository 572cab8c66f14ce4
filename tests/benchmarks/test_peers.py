"""The peer written by hand for speed: what it signs, and what it has in hand."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.peers.aiokafka_aiohttp import Deliverer
from benchmarks.peers.common import RECORD, VALIDATE
from benchmarks.signatures import signature_ms
from schemas.attempt_record import AttemptRecord
from streams.sandbox.client import encode
from streams.sandbox.keys import CLIENT_ID
from streams.sandbox.signatures import load_private_key, sign
from tests.benchmarks.peer_parts import SUCCEEDED, FakeProducer, event


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
    """Answers every call S."""

    @asynccontextmanager
    async def post(self, _url, *, data, headers):
        assert data
        assert headers["Signature"]
        yield SimpleNamespace(status=200, headers={}, read=self._read)

    async def _read(self):
        return SUCCEEDED


def deliverer_of(desk, producer, window):
    """Return a deliverer whose every call is answered S."""
    session: Any = FakeSession()
    return Deliverer(desk, session, producer, window)


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
