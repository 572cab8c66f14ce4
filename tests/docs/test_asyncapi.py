"""The AsyncAPI document: valid to the official parser, complete, and true of the records that a worker writes."""

import fcntl
import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from docs.asyncapi import HEADERS
from streams.kafka.format.records import RESERVED_HEADERS
from streams.kafka.topics import TopicNames, topic_specs
from streams.notification.outcome import Failure, NoResult
from streams.notification.profiles import PROFILES, TIERS
from streams.sandbox.kafka_jars import cache_directory
from tests.support.events import EVENTS
from tests.unit.bench import ACKNOWLEDGED, UNKNOWN, Bench
from tests.unit.kit import headers_of, read

ROOT = Path(__file__).parents[2]
FILE = ROOT / "schemas" / "asyncapi.yaml"
TOOLS = Path(__file__).parent / "asyncapi"
DOCUMENT = yaml.safe_load(FILE.read_text("utf-8"))
SOURCE = "payment-final-state"


def parser_directory() -> Path:
    """Return a folder with the official parser, fetched once in the locked versions."""
    lock = (TOOLS / "package-lock.json").read_bytes()
    target = cache_directory() / f"asyncapi-parser-{hashlib.sha256(lock).hexdigest()[:12]}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(target.name + ".lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetching-") as name:
                folder = Path(name) / "parser"
                shutil.copytree(TOOLS, folder)
                command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
                done = subprocess.run(  # noqa: S603  # a constant
                    command, cwd=folder, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done.stderr[-2000:]
                folder.rename(target)
    return target


@pytest.mark.e2e
@pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="there is no Node here"
)
def test_the_official_parser_takes_it():
    """Without an error or a warning, and it finds every topic."""
    command = ["node", str(TOOLS / "validate.mjs"), str(parser_directory()), str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a constant
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [fault for fault in said["found"] if fault["severity"] < 2] == []
    assert said["version"] == "3.0.0"
    assert set(said["channels"]) == topics()


def topics():
    names = TopicNames("payment-notification")
    return {SOURCE, *(spec.name for spec in topic_specs(names, TIERS, 12, 3))}


def test_every_topic_and_header_is_there():
    """Of the code: none is missing, and none is invented."""
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == topics()
    assert set(HEADERS) == RESERVED_HEADERS
    told = {
        name
        for message in DOCUMENT["components"]["messages"].values()
        for name in message.get("headers", {}).get("properties", {})
    }
    assert told == RESERVED_HEADERS


def is_valid(schema, instance):
    """Tell whether an instance is what a schema of the document says."""
    # A second to import, which only the process that runs these tests needs to spend.
    from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # noqa: PLC0415

    whole = {**schema, "components": DOCUMENT["components"]}
    return Draft7Validator(whole).is_valid(instance)


def messages_for(record):
    """Return the messages of a record's channel that describe it, headers and value."""
    by_address = {channel["address"]: channel for channel in DOCUMENT["channels"].values()}
    headers = headers_of(record)
    found = set()
    for name in by_address[record.topic.replace("pn-", "payment-notification-", 1)]["messages"]:
        message = DOCUMENT["components"]["messages"][name]
        try:
            payload = json.loads(record.value or b"null")
        except ValueError:
            payload = None
        if is_valid(message["payload"], payload) and is_valid(message.get("headers", {}), headers):
            found.add(name)
    return found


@pytest.mark.parametrize("profile", PROFILES)
async def test_what_a_worker_writes_is_what_it_says(profile):
    """Of each profile: an event, a retry, a dead letter of a notification and of an event, and every attempts record."""
    event = EVENTS[profile] | {"partnerId": "partner-1"}
    schema = DOCUMENT["components"]["schemas"]["Event"]
    assert is_valid(schema, event)
    assert not is_valid(schema, event | {"outcome": "PENDING"})
    bench = Bench(UNKNOWN, NoResult(Failure.READ_TIMEOUT), ACKNOWLEDGED)
    await bench.event(read(SOURCE, json.dumps(event).encode()))
    (moved,) = bench.moved
    assert messages_for(moved) == {"notification"}
    await bench.event(read(SOURCE, b"no event"))
    await bench.tier(read(moved.topic, b"no body", headers=moved.headers))
    kinds = [messages_for(letter) for letter in bench.letters]
    assert "deadEvent" in kinds[0]
    assert "deadNotification" in kinds[1]
    records = bench.broker.on("pn-attempts")
    assert len(records) == 3
    assert [messages_for(record) for record in records] == [{"attemptRecord"}] * 3


def test_a_record_of_another_form_is_none():
    """The schemas do say something."""
    headers = {"format": "2", "notification-id": "e"}
    assert not is_valid(DOCUMENT["components"]["messages"]["notification"]["headers"], headers)
    assert not is_valid(DOCUMENT["components"]["schemas"]["AttemptRecord"], {"v": 1})
