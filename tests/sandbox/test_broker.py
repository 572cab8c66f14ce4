"""The rehearsal broker is a real Kafka: it keeps data, stands failures, and leaves nothing behind."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.sandbox.broker import Broker
from streams.sandbox.client import cluster_id, create_topic
from streams.sandbox.node import BrokerError
from streams.sandbox.ports import Ports, free_ports
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.kafka

_numbers = count()


@pytest.fixture
async def topic(broker):
    """A new topic with one partition."""
    name = f"kit-{next(_numbers)}"
    assert await create_topic(broker.bootstrap, name, 1)
    return name


def _runs(broker):
    return broker.pid is not None


async def _write(bootstrap, topic, *values):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _read(bootstrap, topic, number):
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return [
            (await asyncio.wait_for(anext(consumer), TIMEOUT_SECONDS)).value for _ in range(number)
        ]
    finally:
        await consumer.stop()


async def test_takes_and_gives_records(broker, topic):
    """What was produced is consumed."""
    await _write(broker.bootstrap, topic, b"one", b"two")
    assert await _read(broker.bootstrap, topic, 2) == [b"one", b"two"]


async def test_creates_no_topic_by_itself(broker):
    """Asking for an unknown topic does not make it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.describe_topics(["nobody-made-this"])
        assert "nobody-made-this" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_an_existing_topic_is_left_alone(broker, topic):
    """Making a topic twice is no error."""
    assert not await create_topic(broker.bootstrap, topic, 1)


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_keeps_data_and_address_over_a_restart(broker, topic, how):
    """After a stop in order and after a crash the same records are at the same address."""
    await _write(broker.bootstrap, topic, b"before")
    address, process = broker.bootstrap, broker.pid
    getattr(broker, how)()
    assert not _runs(broker)
    await asyncio.to_thread(broker.restart)
    assert broker.bootstrap == address
    assert broker.pid not in {None, process}
    await _write(address, topic, b"after")
    assert await _read(address, topic, 2) == [b"before", b"after"]


async def test_stands_still_while_frozen(broker, topic):
    """A frozen broker acknowledges nothing; thawed it goes on where it was, and a frozen one can be stopped."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"before")
        broker.freeze()
        written = await producer.send(topic, b"while frozen")
        assert await asyncio.to_thread(cluster_id, broker.bootstrap) is None
        assert not written.done()
        broker.thaw()
        await asyncio.wait_for(written, TIMEOUT_SECONDS)
    finally:
        broker.thaw()
        await producer.stop()
    broker.freeze()
    await asyncio.to_thread(broker.restart)
    assert await _read(broker.bootstrap, topic, 2) == [b"before", b"while frozen"]


async def test_two_brokers_start_at_once_and_outlive_the_threads_that_started_them(tmp_path):
    """Ports and directories are found without asking each other; a broker belongs to the process, not to a thread."""
    brokers = [Broker(tmp_path), Broker(tmp_path)]
    threads = [threading.Thread(target=broker.start) for broker in brokers]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert len(list(tmp_path.iterdir())) == 2
        for broker in brokers:
            assert await create_topic(broker.bootstrap, "mine", 1)
    finally:
        for broker in brokers:
            await asyncio.to_thread(broker.close)
    assert list(tmp_path.iterdir()) == []
    assert cluster_id(brokers[0].bootstrap) is None


def test_starting_twice_is_starting_once(broker):
    """A running broker is left as it is."""
    process = broker.pid
    broker.start()
    assert broker.pid == process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_dies_with_its_parent(tmp_path, number):
    """When the parent is killed, or gets Ctrl-C, neither a process nor a file of the broker stays."""
    code = (
        "import sys, pathlib, signal\n"
        "from streams.sandbox.broker import Broker\n"
        "with Broker(pathlib.Path(sys.argv[1])) as broker:\n"
        "    print(broker.pid, broker._process._guard.pid, flush=True)\n"
        "    signal.pause()\n"
    )
    parent = subprocess.Popen(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with parent:
        pids = [int(pid) for pid in _first_line(parent).split()]
        handles = [os.pidfd_open(pid) for pid in pids]
        os.killpg(parent.pid, number)
        parent.wait(TIMEOUT_SECONDS)
        _wait_for_ends(handles)
    assert list(tmp_path.iterdir()) == []


def test_dies_with_its_guard(tmp_path):
    """Killing the process between parent and broker ends the broker too, and is seen."""
    with Broker(tmp_path) as broker:
        process = broker._running()
        handle = os.pidfd_open(process.pid)
        os.kill(process._guard.pid, signal.SIGKILL)
        _wait_for_ends([handle])
        assert broker.pid is None
        assert cluster_id(broker.bootstrap) is None


def _first_line(process):
    return process.stdout.readline()


def _wait_for_ends(handles):
    for handle in handles:
        ready, _, _ = select.select([handle], [], [], 60)
        os.close(handle)
        assert ready, "a process is still running"


def test_says_why_it_did_not_start(tmp_path):
    """A wrong property ends in an error with the broker's own words, and leaves nothing behind."""
    with pytest.raises(BrokerError, match=r"(?s)end of its log below.*log\.dirs|num\.io\.threads"):
        Broker(tmp_path, properties={"num.io.threads": "0"}).start()
    assert list(tmp_path.iterdir()) == []


def test_takes_other_ports_when_one_is_gone(tmp_path, monkeypatch):
    """A port that another program took between choosing and binding is given up for another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (ports,) = free_ports(1)
        choices = iter([[Ports(taken.getsockname()[1], ports.controller, ports.secure)]])
        monkeypatch.setattr(
            "streams.sandbox.cluster.free_ports",
            lambda nodes: next(choices, None) or free_ports(nodes),
        )
        with Broker(tmp_path) as broker:
            assert broker.bootstrap != f"127.0.0.1:{taken.getsockname()[1]}"


def test_a_broker_that_is_down_says_so():
    """Freezing, thawing or asking for the address before the start is a mistake with a name."""
    broker = Broker()
    for act in (broker.freeze, broker.thaw, lambda: broker.bootstrap):
        with pytest.raises(BrokerError):
            act()
    broker.stop()
    broker.kill()
    broker.close()


def test_a_second_ctrl_c_leaves_no_data(tmp_path, monkeypatch):
    """Where it comes while the broker stops."""
    (tmp_path / "kafka-1").mkdir()

    def interrupted():
        raise KeyboardInterrupt

    broker = Broker()
    monkeypatch.setattr(broker, "_home", tmp_path / "kafka-1")
    monkeypatch.setattr(broker, "stop", interrupted)
    with pytest.raises(KeyboardInterrupt):
        broker.close()
    assert list(tmp_path.iterdir()) == []


def test_ignores_the_java_of_the_machine(broker):
    """Variables that steer an installed Java or Kafka, set around the fixture, do not reach the broker."""
    environment = Path(f"/proc/{broker.pid}/environ").read_bytes()
    assert b"nowhere" not in environment
    assert b"Xmx1m" not in environment
