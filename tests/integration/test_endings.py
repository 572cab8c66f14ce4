"""How notifications end that are not acknowledged at once, on whole ladders whose waits are scaled down."""

from collections import Counter

import pytest

from streams.notification.profile import FByCode
from streams.notification.profiles import PROFILES
from streams.sandbox.payments import order_id, payment_event
from tests.support.kafka import by_order, header_texts
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

SCALE = 0.0001
SILENT_SECONDS = 2
"""How long a partner is waited for that never answers."""
LONG = [1, 3, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600]
SHORT = [120, 600, 600, 3600, 7200, 21600, 54000]
"""The waits of the contract, seconds, written out once more on purpose."""

_OF_THE_CONTRACT = {
    "mpp-to-alipay-plus": LONG,
    "mpp-to-ant": LONG,
    "alipay-plus-to-acquirer": SHORT,
    "acquirer-to-alipay-plus": LONG,
    "alipay-to-merchant": SHORT,
}
WAITS = {
    name: _OF_THE_CONTRACT.get(name) or [wait.seconds for wait in profile.ladder.waits]
    for name, profile in PROFILES.items()
}
BY_CODE = [name for name, profile in PROFILES.items() if isinstance(profile.on_f, FByCode)]
SIGNED = [name for name, profile in PROFILES.items() if profile.signed_answer]

ACQUIRER, MERCHANT = "alipay-plus-to-acquirer", "alipay-to-merchant"
EXHAUSTED, UNVERIFIED, REJECTED = (
    "attempts-exhausted",
    "unverified-acknowledgement",
    "rejected",
)
DELIVERED = "delivered"

CASES = [
    *((profile, "never", EXHAUSTED, None) for profile in WAITS),
    *((profile, "U", EXHAUSTED, None) for profile in WAITS),
    *((profile, "unsigned", UNVERIFIED, None) for profile in SIGNED),
    *((profile, "wrong-signature", UNVERIFIED, None) for profile in WAITS),
    (MERCHANT, "unsigned", DELIVERED, 1),
    *((profile, "F:RISK_REJECT", REJECTED, 1) for profile in BY_CODE),
    *((profile, "U,F:PARAM_ILLEGAL", REJECTED, 2) for profile in BY_CODE),
    (ACQUIRER, "F:RISK_REJECT", EXHAUSTED, None),
    (ACQUIRER, "F:PROCESS_FAIL", REJECTED, 1),
    (MERCHANT, "F:PROCESS_FAIL", EXHAUSTED, None),
    *(
        (profile, "F:INVALID_SIGNATURE,F:ACCESS_DENIED,S", DELIVERED, 3)
        for profile in WAITS
        if not {"INVALID_SIGNATURE", "ACCESS_DENIED"}
        & getattr(PROFILES[profile].on_f, "but", set())
    ),
    *(
        (profile, "unsigned-F:RISK_REJECT,S", DELIVERED, 2)
        for profile in BY_CODE
        if profile in SIGNED
    ),
    (ACQUIRER, "wrong-signature-F:PROCESS_FAIL,S", DELIVERED, 2),
    *(
        (profile, "http:500,garbage,drop,refuse,oversized,http:302,S", DELIVERED, 7)
        for profile, waits in WAITS.items()
        if len(waits) > 5  # six answers before S
    ),
]
"""Profile, what its partner answers, how it ends, and after how many attempts (None: after all there are)."""


class Endings:
    """Every case, run by one worker: an order for each, and what was seen."""

    def __init__(self, deployment, worker, orders, letters, attempts):
        self.deployment, self.worker, self.orders = deployment, worker, orders
        self.letters, self.attempts = letters, attempts


@pytest.fixture(scope="module")
def cases():
    """Give each case a partner of its own, so that no one's silence slows another down."""
    return {f"p{number}": case for number, case in enumerate(CASES)}


@pytest.fixture
async def endings(make_deployment, cases):
    """Send one event for each case and wait until each has ended."""
    async with make_deployment(settings={"ladder_scale": SCALE}) as deployment:
        entries = deployment.partners
        for name, (profile, script, _, _) in cases.items():
            # Only the silent ones may time out: elsewhere a busy machine would cost an attempt its request.
            patience = SILENT_SECONDS if "never" in script else 10
            deployment.add_partner(name, profile, script, attempt_timeout_seconds=patience)
        deployment.write_partners({name: deployment.partners[name] for name in cases} | entries)
        worker = await deployment.ready_worker()
        events = [
            payment_event(profile, rng=deployment.rng, partner_id=name)
            for name, (profile, *_) in cases.items()
        ]
        orders = dict(zip(cases, map(order_id, events), strict=True))
        await deployment.send(events)

        async def ended():
            return await worker.metric("notifier_notifications_total") >= len(cases)

        await eventually(ended, what="the end of every notification")
        letters = by_order(await deployment.dead_letters())
        attempts: dict[str, list[dict[str, object]]] = {}
        for record in await deployment.attempts():
            attempts.setdefault(record["order_id"], []).append(record)
        yield Endings(deployment, worker, orders, letters, attempts)
        assert await worker.stop() == 0


async def test_every_notification_ends_as_the_contract_says(endings, cases):
    """Fifteen or eight attempts at the most, none early, and then one dead letter with the right reason and all headers."""
    for name, (profile, script, end, attempts) in cases.items():
        order, waits = endings.orders[name], WAITS[profile]
        assert PROFILES[profile].ladder.attempts == len(waits) + 1
        expected = attempts or len(waits) + 1
        requests = endings.deployment.requests(order)
        assert len(requests) == expected, (profile, script)
        assert len({request.body for request in requests}) == 1
        assert not [request.faults for request in requests if request.faults]
        _check_waits(requests, endings.attempts[order], waits, script)
        if end == DELIVERED:
            assert order not in endings.letters
        else:
            _check_letter(endings.letters[order], requests, (name, profile, script, end, expected))
    await _check_metrics(endings)


def _check_waits(requests, journal, waits, script):
    for earlier, later, wait in zip(requests, requests[1:], waits, strict=False):
        assert later.at_seconds - earlier.at_seconds >= wait * SCALE, script
    calls = [record for record in journal if record["kind"] == "attempt"]
    assert [record["attempt"] for record in calls] == list(range(1, len(requests) + 1))
    for earlier, later, wait in zip(calls, calls[1:], waits, strict=False):
        assert earlier["next_due_at_ms"] - earlier["ended_at_ms"] >= wait * SCALE * 1000
        assert later["started_at_ms"] >= later["due_at_ms"] >= earlier["next_due_at_ms"]
    if script == "never":
        assert {record["failure"] for record in calls} <= {"read_timeout", "connect_timeout"}
        # The event loop's timers count whole milliseconds and may fire within the last one.
        assert all(
            record["ended_at_ms"] - record["started_at_ms"] >= SILENT_SECONDS * 1000 - 1
            for record in calls
        )


def _check_letter(letters, requests, case):
    name, profile, script, reason, attempts = case
    (letter,) = letters
    headers = header_texts(letter)
    assert headers["dead-letter-reason"] == reason, (profile, script)
    assert letter.value == requests[0].body
    assert set(headers) == {
        *[
            "format",
            "notification-id",
            "profile",
            "partner-id",
            "attempt",
            "parks",
            "replays",
            "due-at-ms",
        ],
        *["occurred-at-ms", "accepted-at-ms", "first-attempt-at-ms", "last-outcome", "origin"],
        *["dead-letter-reason", "dead-letter-detail"],
    }
    assert (headers["partner-id"], headers["profile"]) == (name, profile)
    assert (headers["attempt"], headers["replays"]) == (str(attempts), "0")
    if reason == REJECTED:
        assert script.rpartition(":")[2] in headers["dead-letter-detail"]
        assert headers["last-outcome"] == script.rpartition(",")[2]


async def _check_metrics(endings):
    worker = endings.worker
    for profile in WAITS:
        assert (
            await worker.metric(
                "notifier_set_up_faults_total", profile=profile, code="ACCESS_DENIED"
            )
            == 1
        )
    ends = Counter(end for *_, end, _ in CASES)
    for reason in (EXHAUSTED, UNVERIFIED, REJECTED):
        assert await worker.metric("notifier_dlq_total", reason=reason) == ends[reason]
        found = await worker.metric("notifier_notifications_total", outcome=reason)
        assert found == ends[reason]
    acknowledged = await worker.metric("notifier_notifications_total", outcome="acknowledged")
    assert acknowledged == ends[DELIVERED]
