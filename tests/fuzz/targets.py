"""What is fed with broken input, and what must hold whatever it was.

Every case is a sequence of bytes, so that a find can be kept as a file. `try_one` raises when something is wrong.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random  # noqa: TID251  # passed in, seeded
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from streams.kafka.consumer.deduplication import Deduplicator
from streams.kafka.format.records import InRecord, OutRecord
from streams.notification.outcome import Answered, Failure, NoResult
from streams.notification.profiles import PROFILES
from streams.partners import Partner, PartnersFileError, SigningKey, load_partners
from streams.webhook.answer import Expected, judge
from streams.webhook.response_time import is_stale
from streams.webhook.retry_after import retry_after_seconds
from streams.webhook.signing import sign, string_to_sign
from tests.fuzz.mutator import Mutator
from tests.support.events import EVENTS
from tests.unit.bench import Bench
from tests.unit.kit import NOW_MS, read

VECTORS = Path(__file__).parents[1] / "vectors"
KEPT = 64 * 1024
PATH, CLIENT, MOMENT = "/notify?x=1", "CLIENT", "2026-11-22T10:15:30Z"
STATUS = {"SUCCESS": "S", "FAILED": "F", "CANCELLED": "F"}


class Target(Protocol):
    """One kind of input."""

    async def seeds(self) -> list[bytes]:
        """Return good inputs."""

    def mutator(self, rng: Random, seeds: Sequence[bytes]) -> Mutator:
        """Return what makes variants of them."""

    async def try_one(self, case: bytes) -> None:
        """Feed one case."""

    async def close(self) -> None:
        """Let go of what it holds."""


class Bytes:
    """A kind whose variants are made byte by byte."""

    def mutator(self, rng: Random, seeds: Sequence[bytes]) -> Mutator:
        """Return what makes variants."""
        return Mutator(rng, seeds)


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
        letters, made, aside = bench.letters, bench.caller.made, bench.moved
        assert len(letters) + len(made) + len(aside) == 1, (letters, made, aside)
        assert len(bench.journal) == 1
        if aside:
            check_aside(aside[0], record)
            return
        if letters:
            (letter,) = letters
            oversized = dict(letter.headers)["dead-letter-reason"] == b"oversized"
            assert (letter.key or None) == record.key or oversized
            check_letter(letter, record.value)
            return
        ((partner_id, url, body, _),) = made
        kept = dict(record.headers)
        assert body == record.value
        assert partner_id.encode() == kept["partner-id"]
        assert url.encode() == kept["notify-url"]

    async def close(self) -> None:
        """Hold nothing."""

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
        letters, made, aside = bench.letters, bench.caller.made, bench.moved
        assert len(letters) + len(made) + len(aside) == 1, (letters, made, aside)
        assert len(bench.journal) == 1
        if aside:
            check_aside(aside[0], record)
            return
        if letters:
            check_letter(letters[0], record.value)
            return
        ((partner_id, _, body, _),) = made
        if ("kind", b"event") in record.headers:
            assert partner_id == json.loads(record.value or b"")["partnerId"]
        else:
            assert body == record.value
            assert partner_id.encode() == dict(record.headers)["partner-id"]


class Answers(Bytes):
    """Answers as the verifier gets them: only the very bytes that the partner signed count."""

    def __init__(self) -> None:
        self._key, self._public = vector_keys("receiver")
        self._body = b'{"result":{"resultStatus":"S","resultCode":"SUCCESS","resultMessage":"ok"}}'
        self._expected = Expected(PATH, CLIENT, {"1": self._public}, signed=True)

    async def seeds(self) -> list[bytes]:
        """Return rightly signed answers, S, F and U."""
        return [
            self._answer(self._body.replace(b'"S"', b'"%b"' % status))
            for status in (b"S", b"F", b"U")
        ]

    async def try_one(self, case: bytes) -> None:
        """Judge it."""
        head, _, body = case.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        digits = first[9:12]
        status = int(digits) if digits.isascii() and digits.isdigit() else 0
        check_answered(judge(status, headers, body, self._expected), case)
        for value in headers.values():
            is_stale(value, NOW_MS)
            seconds = retry_after_seconds(value, NOW_MS / 1000)
            assert seconds is None or 0 <= seconds <= 3600

    async def close(self) -> None:
        """Hold nothing."""

    def _answer(self, body: bytes) -> bytes:
        return signed_answer(self._key, body)


class PartnersFiles(Bytes):
    """Partners files: each is read as a whole, or refused with sentences."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "partners.yaml"
        for name in ("sender_private_pkcs8.pem", "receiver_public_spki.pem"):
            copy = directory / name
            copy.touch(0o600)
            copy.write_bytes((VECTORS / name).read_bytes())

    async def seeds(self) -> list[bytes]:
        """Return files with every key."""
        return [
            b"""partners:
  alipayplus: &entry
    profiles: [mpp-to-alipay-plus, mpp-to-ant]
    client_id: SANDBOX_5YTESTONLY000001
    private_key_file: sender_private_pkcs8.pem
    key_version: 1
    peer_public_key_files: {1: receiver_public_spki.pem}
    require_signed_response: true
    notify_url: https://open-sea.example.com/aps/api/v1/payments/notifyPayment
    allowed_hosts: [open-sea.example.com]
    max_in_flight: 64
    rate_limit_per_second: 200
    request_time_format: iso8601
    attempt_timeout_seconds: 5
    paused: false
    refuse_stale_responses: true
    proxy: {url: 'http://proxy.example:3128'}
    unmapped_reason: send
    reasons: {E1042: USER_BALANCE_NOT_ENOUGH}
""",
            b"""partners:
  shops:
    profiles: [alipay-to-merchant]
    client_id: "2021001"
    signing_keys:
      - {version: 1, file: sender_private_pkcs8.pem}
      - {version: 2, file: sender_private_pkcs8.pem, from: 2027-01-01T00:00:00Z}
    require_signed_response: false
    tls: {ca_file: none.pem}
""",
        ]

    async def try_one(self, case: bytes) -> None:
        """Read it."""
        self._path.write_bytes(case)
        try:
            found = load_partners(self._path, NOW_MS / 1000)
        except PartnersFileError as error:
            told = error.faults
        else:
            for name, entry in found.items():
                check_partner(name, entry)
            return
        assert told
        assert "Traceback" not in "".join(told)

    async def close(self) -> None:
        """Hold nothing."""


def check_partner(name: str, entry: Partner) -> None:
    """Check that an accepted entry can be used."""
    assert isinstance(name, str)
    assert 0 < len(name) <= 64
    assert entry.signing_key(NOW_MS / 1000).version
    assert entry.terms.profiles <= set(PROFILES)
    assert entry.peer_keys or not any(
        entry.signed_answer(PROFILES[p]) for p in entry.terms.profiles
    )
    assert entry.proxy is None or entry.allowed_hosts


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


def check_answered(outcome: object, case: bytes) -> None:
    """Check that whoever was believed had said just that, signed: its body and time stand in the bytes unchanged."""
    if isinstance(outcome, Answered):
        signed = b'{"result":{"resultStatus":"%b"' % outcome.status.encode()
        assert signed in case.replace(b"\r\n", b"") or b"chunked" in case.lower()
        assert MOMENT.encode() in case
        assert b'"resultCode":"SUCCESS"' in case or b"chunked" in case.lower()
        assert outcome.code == "SUCCESS"


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


def vector_keys(who: str) -> tuple[SigningKey, RSAPublicKey]:
    """Return the vendor's throw-away keys."""
    private = load_pem_private_key((VECTORS / f"{who}_private_pkcs8.pem").read_bytes(), None)
    public = load_pem_public_key((VECTORS / f"{who}_public_spki.pem").read_bytes())
    assert isinstance(private, RSAPrivateKey)
    assert isinstance(public, RSAPublicKey)
    return SigningKey("1", private, float("-inf")), public


def signed_answer(key: SigningKey, body: bytes) -> bytes:
    """Return an HTTP answer with this body, rightly signed."""
    signature = sign(key, string_to_sign(PATH, CLIENT, MOMENT, body))
    lines = [
        "HTTP/1.1 200 OK",
        "Content-Type: application/json; charset=UTF-8",
        f"Content-Length: {len(body)}",
        f"client-id: {CLIENT}",
        f"response-time: {MOMENT}",
        f"signature: {signature}",
        "Retry-After: 5",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
