"""Events that are not of our own form, through a real broker to a signed notification."""

import json

import pytest
import yaml

from tests.support.kafka import header_texts
from tests.support.mapping import EXAMPLES, event_of

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

ORDERS = {
    "own-json": "20261122190741020001001234567",
    "debezium-outbox": "20261122190741020001001234568",
    "cloudevents": "20261122190741020001001234570",
}
AMOUNTS = {
    "own-json": {"currency": "USD", "value": "1230"},
    "debezium-outbox": {"currency": "JPY", "value": "1500"},
    "cloudevents": {"currency": "JPY", "value": "100"},
}
STRUCTURED = {"content-type": "application/cloudevents+json"}


def mapping_for(deployment, tmp_path, name):
    """Return a file with the mapping of an example, for the deployment's source topic."""
    content = yaml.safe_load((EXAMPLES / name / "mapping.yaml").read_text("utf-8"))
    (topic,) = content["topics"].values()
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml.safe_dump({"topics": {deployment.source: topic}}), "utf-8")
    return path


def headers_of(name):
    return STRUCTURED if name == "cloudevents" else {}


def bodies(deployment, order):
    return [json.loads(request.body) for request in deployment.requests(order)]


@pytest.mark.parametrize("name", sorted(ORDERS))
async def test_a_worked_example_reaches_the_partner(make_deployment, tmp_path, name):
    """As the documentation shows it: told once, signed, with the amount in minor units; a second copy is absorbed."""
    async with make_deployment(partitions=1) as deployment:
        mapping = mapping_for(deployment, tmp_path, name)
        worker = await deployment.ready_worker(event_mapping=mapping)
        order, value = ORDERS[name], event_of(name)
        before = len(deployment.requests(order))
        for _ in range(2):
            await deployment.write(deployment.source, value, headers=headers_of(name))
        records = await deployment.delivered([order])
        await deployment.all_committed()
        (body,) = bodies(deployment, order)[before:]
        assert body["paymentAmount"] == AMOUNTS[name]
        assert body["paymentResult"]["resultStatus"] == "S"
        assert deployment.requests(order)[-1].signature_valid
        del records
        decisions = [item["decision"] for item in await deployment.attempts()]
        assert decisions == ["delivered", "absorbed"]
        why = await deployment.run("why", order, event_mapping=mapping)
        assert why.returncode == 0, why.stderr
        assert "acknowledged" in why.stdout
        assert await worker.stop() == 0


async def test_what_is_not_final_passes_and_what_is_unknown_is_dead_lettered(
    make_deployment, tmp_path
):
    """A listed state is counted and told to nobody; an unlisted one is an operator's, and goes on once it is mended."""
    async with make_deployment(partitions=1) as deployment:
        mapping = mapping_for(deployment, tmp_path, "own-json")
        worker = await deployment.ready_worker(event_mapping=mapping)
        event = json.loads(event_of("own-json"))
        for order, state in (("o-1", "PENDING"), ("o-2", "CAPTURED_LATE"), ("o-3", "CAPTURED")):
            changed = event | {"state": state, "merchant_ref": order, "payment_no": f"P-{order}"}
            await deployment.write(deployment.source, json.dumps(changed).encode())
        await deployment.delivered(["o-3"])
        (letter,) = await deployment.dead_letters(1)
        await deployment.all_committed()
        assert json.loads(letter.value)["state"] == "CAPTURED_LATE"
        headers = header_texts(letter)
        assert headers["dead-letter-reason"] == "invalid-event"
        assert "outcome: a value that its table does not list" in headers["dead-letter-detail"]
        passed = await worker.metric("notifier_passed_over_events_total", rule="not-final")
        assert passed == 1
        assert await worker.stop() == 0

        content = yaml.safe_load(mapping.read_text("utf-8"))
        table = content["topics"][deployment.source]["event"]["outcome"]["table"]
        table["CAPTURED_LATE"] = "SUCCESS"
        mapping.write_text(yaml.safe_dump(content), "utf-8")
        worker = await deployment.ready_worker(event_mapping=mapping)
        replay = await deployment.run(
            "dead-letters", "replay", "--reason", "invalid-event", "--execute", "--yes", "--why", "table mended", "--who", "test",
            event_mapping=mapping,
        )  # fmt: skip
        assert replay.returncode == 0, replay.stderr
        await deployment.delivered(["o-2", "o-3"])
        assert not deployment.requests("o-1")
        assert await worker.stop() == 0


async def test_an_event_is_sent_again_from_its_own_form(make_deployment, tmp_path):
    """`notifier resend` makes the body anew from the event at its origin, by the mapping."""
    async with make_deployment(partitions=1) as deployment:
        mapping = mapping_for(deployment, tmp_path, "own-json")
        worker = await deployment.ready_worker(event_mapping=mapping)
        event = json.loads(event_of("own-json")) | {"merchant_ref": "o-9", "payment_no": "P-9"}
        await deployment.write(deployment.source, json.dumps(event).encode())
        await deployment.delivered(["o-9"])
        again = await deployment.run(
            "resend", "o-9", "--yes", "--why", "the partner lost it",
            event_mapping=mapping,
        )  # fmt: skip
        assert again.returncode == 0, again.stderr
        await deployment.all_committed()
        first, second = bodies(deployment, "o-9")
        assert first == second
        assert await worker.stop() == 0


async def test_a_start_with_a_broken_mapping_is_refused(make_deployment, tmp_path):
    """Every fault of the file, and a topic that nobody reads; `notifier check` says the same."""
    async with make_deployment(partitions=1) as deployment:
        path = tmp_path / "mapping.yaml"
        path.write_text("topics: {t: {format: xml, event: {profile: data.p}}}", "utf-8")
        for command in ("worker", "check"):
            done = await deployment.run(command, event_mapping=path)
            assert done.returncode == 1
            assert "topics.t.format: expected json or avro or cloudevents" in done.stderr
            assert "topics.t.event.partnerId: missing" in done.stderr
        path.write_text((EXAMPLES / "own-json" / "mapping.yaml").read_text("utf-8"), "utf-8")
        done = await deployment.run("check", event_mapping=path)
        assert "topics.core-payments: seen in the event mapping, expected one of" in done.stderr
