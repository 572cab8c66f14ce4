"""What an operator puts back is told, and what was told already is not told again."""

import pytest

from streams.clock import Clock
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.support.bad_records import notification_headers, success_body
from tests.support.kafka import header_texts

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-alipay-plus"


async def test_replayed_notifications_and_events_are_delivered(make_deployment):
    """A notification with attempt 0 and replays 1 starts its ladder anew; a record of kind event is taken as one."""
    async with make_deployment(settings={"ladder_scale": 0.001}) as deployment:
        worker = await deployment.ready_worker()
        again, event = (payment_event(PROFILE, rng=deployment.rng) for _ in range(2))
        url = deployment.partner.notify_url(PROFILE, "U,S")
        headers = notification_headers(
            again,
            Clock().now_ms(),
            attempt=0,
            replays=1,
            first_attempt_at_ms=None,
            last_outcome="",
            notify_url=url,
        )
        replay = deployment.names.replay
        await deployment.write(replay, success_body(again), order_id(again), dict(headers))
        place = await deployment.write(replay, event, order_id(event), {"kind": "event"})
        records = await deployment.delivered([order_id(again), order_id(event)])
        notification = [item for item in records if item["order_id"] == order_id(again)]
        assert [item["attempt"] for item in notification] == [1, 2]
        assert [item["replays"] for item in notification] == [1, 1]
        assert [item["trigger"] for item in notification] == ["replay", "ladder"]
        assert {item["origin"] for item in notification} == {"elsewhere/0/0"}
        bodies = {request.body for request in deployment.requests(order_id(again))}
        assert bodies == {success_body(again)}
        (told,) = [item for item in records if item["order_id"] == order_id(event)]
        assert (told["attempt"], told["origin"]) == (1, place)
        assert len(deployment.requests(order_id(event))) == 1
        assert await worker.stop() == 0


async def test_what_will_be_refused_again_is_left_unless_it_is_told(make_deployment):
    """The dry run names the rule that the event breaks; told to, it puts the event back, and it comes back at once."""
    async with make_deployment(partitions=1) as deployment:
        deployment.add_partner("shop", PROFILE)
        worker = await deployment.ready_worker()
        event = payment_event(PROFILE, rng=deployment.rng, partner_id="shop")
        await deployment.send([event | {"outcome": "PENDING"}])
        (letter,) = await deployment.dead_letters(1)
        for mistyped in (("--partner", "shap"), ("no-such-order",)):
            unknown = await deployment.run("dead-letters", "replay", *mistyped)
            assert (unknown.returncode, unknown.stdout) == (1, "")
            expected = "did you mean shop?" if mistyped[1:] else "no dead letter is no-such-order"
            assert expected in unknown.stderr
        command = ("dead-letters", "replay", "--partner", "shop")
        planned = await deployment.run(*command)
        assert planned.returncode == 0
        assert "Skipped 1: 1 refused again." in planned.stderr
        assert "it would come back at once: invalid-event: outcome: " in planned.stdout
        told = await deployment.run(
            *command, "--refused", "--execute", "--yes", "--why", "to see", "--who", "alice"
        )
        assert told.returncode == 0, told.stderr
        again = (await deployment.dead_letters(2))[1]
        assert (again.key, again.value) == (letter.key, letter.value)
        assert header_texts(again)["replays"] == "1"
        assert await worker.stop() == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ((3_000_000_000).to_bytes(8), b"<xml/>"),  # as a LongSerializer writes it: no UTF-8
        (None, b'{"a":1,"a":2,"profile":"mpp-to-ant","payment":{"paymentRequestId":"o-1"}}'),
    ],
)
async def test_an_event_that_nobody_can_read_is_put_back_once(make_deployment, key, value):
    """Whatever its key is: the second command sees on the replay topic what the first one did."""
    async with make_deployment(partitions=2) as deployment:
        worker = await deployment.ready_worker()
        await deployment.write(deployment.source, value, key)
        (letter,) = await deployment.dead_letters(1)
        assert (letter.key, letter.value) == (key, value)
        place = f"{letter.topic}:{letter.partition}:{letter.offset}"
        command = (
            "dead-letters", "replay", place, "--refused", "--execute", "--yes", "--why", "to see", "--who", "alice",
        )  # fmt: skip
        first = await deployment.run(*command)
        assert "Put back 1 of 1." in first.stderr
        second = await deployment.run(*command)
        assert "Skipped 1: 1 put back before." in second.stderr
        assert len(await deployment.records(deployment.names.replay)) == 1
        assert await worker.stop() == 0


async def test_repeats_are_absorbed_and_contradictions_dead_lettered(make_deployment):
    """The same event again is settled silently; another outcome for the order, or other bytes, never reach a partner."""
    async with make_deployment(partitions=1) as deployment:
        worker = await deployment.ready_worker()
        event = payment_event(PROFILE, rng=deployment.rng)
        order = order_id(event)
        await deployment.send([event])
        await deployment.delivered([order])
        await deployment.all_committed()
        other = event | {"eventId": "evt-other", "outcome": "CANCELLED"}
        changed = event | {"resultMessage": "well done"}
        await deployment.send([event, other, changed])
        letters = await deployment.dead_letters(2)
        reasons = [header_texts(letter)["dead-letter-reason"] for letter in letters]
        assert reasons == ["conflicting-result"] * 2
        assert {letter.value for letter in letters} == {encode(other), encode(changed)}
        await deployment.all_committed()

        assert await worker.metric("notifier_repeats_total", tier="source") == 1
        assert await worker.metric("notifier_payments_consumed_total", result="accepted") == 1
        assert len(deployment.requests(order)) == 1
        assert await worker.stop() == 0
