"""The partners file and its keys change on disk while a worker runs."""

import pytest

from streams.sandbox.keys import KeyPair, make_key_pair
from streams.sandbox.payments import order_id, payment_event
from tests.support.kafka import header_texts
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-ant"
IN_FORCE = "notifier_config_last_reload_successful"


async def _told(deployment, partner_id="ant"):
    """Send one event and wait until its partner has acknowledged it."""
    event = payment_event(PROFILE, rng=deployment.rng, partner_id=partner_id)
    await deployment.send([event])
    await deployment.delivered([order_id(event)])


async def _reloads(worker, successful):
    async def seen():
        return await worker.metric(IN_FORCE) == successful

    await eventually(seen, what=f"{IN_FORCE} {successful}")


async def test_a_partner_is_added_and_a_broken_file_changes_nothing(make_deployment):
    """A new partner's events are told from then on, the one before is replayed; a bad version is seen and not used."""
    async with make_deployment(settings={"ladder_scale": 0.001}) as deployment:
        worker = await deployment.ready_worker()
        early = payment_event(PROFILE, rng=deployment.rng, partner_id="newcomer")
        await deployment.send([early])
        (letter,) = await deployment.dead_letters(1)
        assert header_texts(letter)["dead-letter-reason"] == "unknown-partner"

        good = deployment.partners
        deployment.write_partners({"ant": {"profiles": "none"}})
        await _reloads(worker, 0)
        await _told(deployment)
        deployment.write_partners(good)
        await _reloads(worker, 1)

        read_at = "notifier_config_last_reload_success_timestamp_seconds"
        before = await worker.metric(read_at)
        deployment.add_partner("newcomer", PROFILE)

        async def read_again():
            return await worker.metric(read_at) > before

        await eventually(read_again, what="a reload")
        await _told(deployment, "newcomer")
        replay = deployment.names.replay  # as it lies on the dead-letter topic
        await deployment.write(replay, letter.value, letter.key, dict(letter.headers))
        await deployment.delivered([order_id(early)])
        assert await worker.stop() == 0


async def test_a_replaced_key_signs_from_then_on(make_deployment, keys, tmp_path):
    """With a wrong key the partner refuses and the ladder goes on; with the right one in its place it is delivered."""
    ours = tmp_path / "ours.pem"
    make_key_pair(KeyPair(ours, tmp_path / "ours-public.pem"))
    async with make_deployment(settings={"ladder_scale": 0.01}) as deployment:
        deployment.add_partner("replaced", PROFILE, private_key_file=str(ours))
        worker = await deployment.ready_worker()
        event = payment_event(PROFILE, rng=deployment.rng, partner_id="replaced")
        await deployment.send([event])

        async def refused():
            name = "notifier_set_up_faults_total"
            return await worker.metric(name, profile=PROFILE, code="INVALID_SIGNATURE") >= 2

        await eventually(refused, what="two refusals")
        new = tmp_path / "new.pem"
        new.write_bytes(keys.sender.private.read_bytes())
        new.chmod(0o600)
        new.replace(ours)
        await deployment.delivered([order_id(event)])
        *before, last = deployment.requests(order_id(event))
        assert {request.signature_valid for request in before} == {False}
        assert last.signature_valid
        assert len({request.body for request in [*before, last]}) == 1
        assert await worker.stop() == 0
