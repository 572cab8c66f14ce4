"""Events, tier records and replays: each is settled, and nothing is told that was not said."""

import json
from collections.abc import Mapping
from typing import Any

from streams.kafka.consumer.deduplication import Deduplicator
from streams.kafka.format.records import InRecord, OutRecord
from streams.notification.outcome import Failure, NoResult
from streams.notification.profiles import PROFILES
from tests.fuzz.targets import Bytes
from tests.support.events import EVENTS
from tests.unit.bench import Bench
from tests.unit.kit import NOW_MS, read

KEPT = 64 * 1024
STATUS = {"SUCCESS": "S", "FAILED": "F", "CANCELLED": "F"}


class Events(Bytes):
    """Records of a source topic: each ends as exactly one call that tells what the event says, or as one dead letter."""

    def __init__(self) -> None:
        self.bench = Bench()

    async def seeds(self) -> list[bytes]:
        """Return events of every profile and outcome."""
        found = []
        for name, event in EVENTS.items():
            for outcome in STATUS:
                made = event | {"outcome": outcome, "notifyUrl": f"https://{name}.example/n?a=b"}
                if outcome == "FAILED":
                    made["reason"] = "RISK_REJECTED"
                found.append(json.dumps(made, ensure_ascii=False).encode())
        return found

    async def try_one(self, case: bytes) -> None:
        """Let it arrive."""
        bench = fresh(self.bench)
        await bench.event(read("source", case))
        letters, made = bench.letters, bench.caller.made
        assert len(letters) + len(made) == 1, (letters, made)
        assert len(bench.journal) == 1
        if letters:
            check_letter(letters[0], case)
            return
        ((partner_id, url, body, _),) = made
        event, told = json.loads(case), json.loads(body)
        assert (partner_id, url) == (event["partnerId"], event["notifyUrl"])
        profile = PROFILES[event["profile"]]
        result = told.pop(profile.result_member)
        assert result["resultStatus"] == STATUS[event["outcome"]]
        assert (result["resultCode"] == "SUCCESS") == (event["outcome"] == "SUCCESS")
        told.pop("notifyType", None)
        nothing_invented(told, event["payment"])

    async def close(self) -> None:
        """Hold nothing."""


class TierRecords(Bytes):
    """Records of a tier: each ends as one call with its own bytes, as one dead letter that is the record, or, where a newer
    version could have written it, on a tier as it is."""

    _SPLIT = b"\n--\n"

    def __init__(self) -> None:
        self.bench = Bench()

    async def seeds(self) -> list[bytes]:
        """Return the records that a worker writes for every profile, as this class spells them."""
        found = []
        for name in EVENTS:
            bench = Bench(NoResult(Failure.READ_TIMEOUT))
            await bench.event(
                read(
                    "source",
                    json.dumps(EVENTS[name] | {"notifyUrl": "https://x.example/"}).encode(),
                )
            )
            record = bench.moved[0]
            lines = b"\n".join(
                b"%b: %b" % (key.encode(), value or b"") for key, value in record.headers
            )
            found.append(self._SPLIT.join([record.key or b"", lines, record.value or b""]))
        return found

    async def try_one(self, case: bytes) -> None:
        """Let it arrive when it is due."""
        record = self._record(case, "pn-retry-1s")
        bench = fresh(self.bench)
        await bench.tier(record)
        letters, made = self._one_outcome(bench, record)
        if letters:
            (letter,) = letters
            oversized = dict(letter.headers)["dead-letter-reason"] == b"oversized"
            assert (letter.key or None) == record.key or oversized
            check_letter(letter, record.value)
        if not made:
            return
        ((partner_id, url, body, _),) = made
        kept = dict(record.headers)
        assert body == record.value
        assert partner_id.encode() == kept["partner-id"]
        assert url.encode() == kept["notify-url"]

    async def close(self) -> None:
        """Hold nothing."""

    @staticmethod
    def _one_outcome(bench: Bench, record: InRecord) -> tuple[list[Any], list[Any]]:
        """Return the dead letter or the call that a record became; check that it is one, or that it was put aside."""
        letters, made, aside = bench.letters, bench.caller.made, bench.moved
        assert len(letters) + len(made) + len(aside) == 1, (letters, made, aside)
        assert len(bench.journal) == 1
        if aside:
            check_aside(aside[0], record)
        return letters, made

    def _record(self, case: bytes, topic: str) -> InRecord:
        key, headers, value = [*case.split(self._SPLIT, 2), b"", b""][:3]
        pairs = [line.partition(b": ") for line in headers.split(b"\n") if line]
        return read(
            topic,
            value or None,
            key=key or None,
            headers=[(name.decode("utf-8", "surrogateescape"), text) for name, _, text in pairs],
        )


class Replays(TierRecords):
    """Records of the replay topic: a notification with its own bytes, or an event; one call or one dead letter."""

    async def seeds(self) -> list[bytes]:
        """Return the same, and dead letters that hold an event."""
        event = json.dumps(EVENTS["mpp-to-ant"] | {"notifyUrl": "https://x.example/"}).encode()
        lines = b"format: 1\nkind: event\norigin: source/3/42\ndead-letter-reason: unknown-partner"
        return [*await super().seeds(), self._SPLIT.join([b"order", lines, event])]

    async def try_one(self, case: bytes) -> None:
        """Let it arrive."""
        record = self._record(case, "pn-replay")
        bench = fresh(self.bench)
        await bench.replay(record)
        letters, made = self._one_outcome(bench, record)
        if letters:
            check_letter(letters[0], record.value)
        if not made:
            return
        ((partner_id, _, body, _),) = made
        if ("kind", b"event") in record.headers:
            assert partner_id == json.loads(record.value or b"")["partnerId"]
        else:
            assert body == record.value
            assert partner_id.encode() == dict(record.headers)["partner-id"]


def fresh(bench: Bench) -> Bench:
    """Empty a bench that has been used."""
    bench.broker.written.clear()
    bench.broker.asked.clear()
    bench.caller.made.clear()
    bench.caller.traceparents.clear()
    bench.memory = Deduplicator(bench.clock.now_ms, 1000)
    bench.clock.ms = NOW_MS
    return bench


def check_letter(letter: Any, value: bytes | None) -> None:
    """Check that a dead letter holds the record it stands for, and says why."""
    headers = dict(letter.headers)
    assert headers["dead-letter-reason"]
    assert headers["dead-letter-detail"].decode()
    assert len(headers["dead-letter-detail"]) <= 4096
    if headers["dead-letter-reason"] == b"oversized":
        assert len(letter.value) <= KEPT
    else:
        assert letter.value == value


def check_aside(moved: OutRecord, record: InRecord) -> None:
    """Check that a record was moved aside as it is, but for what a park changes."""
    assert (moved.key, moved.value) == (record.key, record.value)
    changed = {"parks", "due-at-ms", "last-outcome"}
    kept = [header for header in record.headers if header[0] not in changed]
    assert [header for header in moved.headers if header[0] not in changed] == kept


def nothing_invented(told: Any, known: Any) -> None:
    """Check that every member of a body stands in the event's payment with the same value."""
    if isinstance(told, Mapping):
        for name, value in told.items():
            nothing_invented(value, known[name])
    elif isinstance(told, list):
        assert len(told) == len(known)
        for value, other in zip(told, known, strict=True):
            nothing_invented(value, other)
    else:
        assert told == known
