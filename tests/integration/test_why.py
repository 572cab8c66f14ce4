"""`notifier why` and `notifier undelivered`, asked of a real broker that a real worker wrote to."""

import csv
import io
import json

import pytest

from streams.clock import Clock
from streams.kafka.format.raw import RecordId
from streams.sandbox.payments import order_id, payment_event
from tests.support.history import NAMES, ORDER, HistoryBuilder
from tests.support.kafka import producer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

ACQUIRER, MPP = "alipay-plus-to-acquirer", "mpp-to-alipay-plus"
FATES = {"delivered": "S", "waiting": "http:503", "rejected": "F:RISK_REJECT", "silent": "refuse"}


@pytest.fixture
async def asked(make_deployment):
    """Give a deployment whose worker has made one attempt for each fate, and the orders by fate."""
    async with make_deployment() as deployment:
        for name, script in FATES.items():
            profile = MPP if name == "rejected" else ACQUIRER
            deployment.add_partner(f"shop-{name}", profile, script)
        worker = await deployment.ready_worker()
        events = {
            name: payment_event(
                MPP if name == "rejected" else ACQUIRER,
                rng=deployment.rng,
                partner_id=f"shop-{name}",
            )
            for name in FATES
        }
        for name, event in events.items():
            await deployment.write(deployment.source, event, f"core/{name}")

        async def all_attempted():
            records = await deployment.attempts()
            return len({record["order_id"] for record in records}) == len(FATES)

        await eventually(all_attempted, what="an attempt for each order", every_seconds=0.2)
        yield deployment, {name: order_id(event) for name, event in events.items()}
        assert await worker.stop() == 0


async def test_why_answers_for_every_fate(asked):
    """Told, waiting, refused, not reached, unread and unknown: the verdict is right, and exit 1 means nothing is known."""
    deployment, orders = asked
    told = {name: await _why(deployment, order) for name, order in orders.items()}
    assert {name: (life["told"], life["turn"], life["state"]) for name, life in told.items()} == {
        "delivered": ("yes", "nobody", "delivered"),
        "waiting": ("perhaps", "partner", "waiting"),
        "rejected": ("refused", "partner", "rejected"),
        "silent": ("perhaps", "partner", "waiting"),
    }
    waiting, rejected = told["waiting"], told["rejected"]
    assert "shop-waiting answered HTTP 503" in waiting["sentence"]
    assert waiting["next"].startswith("Attempt 2 of 8 is due at ")
    assert waiting["rests_at"].startswith(f"{deployment.names.prefix}-retry-2m:")
    assert (waiting["attempts"], waiting["result"]) == (1, "S:SUCCESS")
    assert rejected["dead_letter"].startswith(f"{deployment.names.dead_letter}:")
    assert rejected["reason"] == "rejected"
    for life in told.values():
        assert life["event"].startswith(f"{deployment.source}:")
        kinds = [entry["kind"] for entry in life["timeline"]]
        assert kinds[:3] == ["final", "event", "attempt"]
        assert life["occurred_at"] == life["timeline"][0]["at"]
    unknown = await deployment.run("why", "no-such-order", "--json")
    assert unknown.returncode == 1
    assert json.loads(unknown.stdout)["found"] is False


async def test_why_speaks_to_people_and_to_pipes(asked):
    """The verdict stands first; in a pipe everything is one line a fact, uncut; talk goes to standard error."""
    deployment, orders = asked
    done = await deployment.run("why", orders["waiting"])
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Not acknowledged; shop-waiting may have received it.")
    assert lines[1].startswith("Attempt 2 of 8 is due at ")
    assert "told\tperhaps" in lines
    (attempt,) = [line for line in lines if "\tattempt 1 of 8\t" in line]
    assert "\tHTTP 503 in " in attempt
    assert attempt.endswith("\tagain after 2 min")
    assert lines[-1].startswith("Of ")
    unknown = await deployment.run("why", "no-such-order")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "Nothing is known of order no-such-order" in unknown.stderr
    wrong = await deployment.run("why", "x", "--since", "yesterday")
    assert wrong.returncode == 2
    assert "--since: expected how long ago" in wrong.stderr


async def test_why_finds_an_order_by_any_id_of_its_event(asked):
    """By payment id, event id and place, of what was delivered and of what waits; nothing found is exit 1."""
    deployment, orders = asked
    event_id = ""
    for name in ("delivered", "rejected"):
        (life,) = json.loads((await deployment.run("why", orders[name], "--json")).stdout)[
            "notifications"
        ]
        at = RecordId.parse(life["event"])
        (event,) = (
            json.loads(record.value)
            for record in await deployment.records(deployment.source)
            if (record.partition, record.offset) == (at.partition, at.offset)
        )
        event_id = event["eventId"]
        for text in (event["payment"]["paymentId"], event["eventId"], life["event"]):
            done = await deployment.run("why", "--scan", text, "--json")
            assert done.returncode == 0, done.stderr
            found = json.loads(done.stdout)
            assert [order["order_id"] for order in found["orders"]] == [orders[name]]
            assert found["orders"][0]["notifications"][0]["told"] == life["told"]
            assert (found["complete"], found["without_order"]) == (True, [])
    done = await deployment.run("why", "--scan", event_id)
    assert done.stdout.startswith(
        f"Order {orders['rejected']}\nshop-rejected knows and refused it."
    )
    assert f"{event_id} belongs to 1 order (" in done.stderr
    unknown = await deployment.run("why", "--scan", event_id[:-1])
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert f"Nothing that was read has {event_id[:-1]} as a whole (" in unknown.stderr


async def test_a_mistyped_order_is_unknown_and_the_nearest_are_named(asked):
    """One character more, other case, white space: exit 1, and the order that may be meant."""
    deployment, orders = asked
    order = orders["rejected"]
    for typed in {order[:-1], f"{order[:9]} {order[9:]}", order.upper()} - {order}:
        done = await deployment.run("why", typed)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.rstrip().endswith(f"; did you mean {order}?")
    unknown = json.loads((await deployment.run("why", order[:-1], "--json")).stdout)
    assert (unknown["found"], unknown["did_you_mean"]) == (False, [order])


async def test_why_finds_an_event_that_no_worker_has_read(make_deployment):
    """Before the first worker starts, the event itself is found, and it is ours to go on."""
    async with make_deployment() as deployment:
        event = payment_event(MPP, rng=deployment.rng)
        place = await deployment.write(deployment.source, event, "any key of payment core")
        for more in ([], ["--since", "1h"]):
            life = await _why(deployment, order_id(event), *more)
            assert (life["told"], life["turn"], life["state"]) == ("no", "us", "due")
            assert life["event"] == place.replace("/", ":")
            assert life["attempts"] == 0


async def test_why_finds_an_event_whose_order_id_is_escaped(make_deployment):
    """As some writers of JSON do with slashes and with letters beyond ASCII."""
    async with make_deployment() as deployment:
        event = payment_event(MPP, rng=deployment.rng)
        event["payment"] |= {"paymentRequestId": "shop/é-7"}
        await deployment.write(deployment.source, json.dumps(event).replace("/", "\\/").encode())
        for more in ([], ["--since", "1h"]):
            assert (await _why(deployment, "shop/é-7", *more))["state"] == "due"
        done = await deployment.run("why", "--scan", "shop/é-7", "--json")
        assert [order["order_id"] for order in json.loads(done.stdout)["orders"]] == ["shop/é-7"]


class _Told(HistoryBuilder):
    """Keeps the records of a notification, to be written to a broker."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.records = []

    def _read(self, record):
        self.records.append(record)


async def test_why_knows_that_a_result_was_told_before_under_another_id(make_deployment):
    """Payment core wrote it again with a new id and a later time: what was told first stands long before that."""
    async with make_deployment(partitions=1) as deployment:
        hour = 3_600_000
        first = _Told("gone/0/1", "evt-1").attempt(20, decision="delivered", result_status="S")
        again = _Told("gone/0/9", "evt-2").attempt(50, decision="dead-letter")
        again.dead_letter(90, occurred_at_ms=Clock().now_ms() + 2 * hour)
        topics = {
            NAMES.attempts: deployment.names.attempts,
            NAMES.dead_letter: deployment.names.dead_letter,
        }
        async with producer(deployment.bootstrap) as client:
            for records in (first.records, range(5_000), again.records):
                for record in records:
                    if isinstance(record, int):
                        await client.send(deployment.names.attempts, b"{}", b"other")
                    else:
                        await client.send(
                            topics[record.topic],
                            record.value,
                            record.key,
                            headers=list(record.headers),
                        )
                await client.flush()
        done = await deployment.run("why", ORDER, "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        told = {life["notification_id"]: life["told"] for life in said["notifications"]}
        assert told == {"evt-1": "yes", "evt-2": "perhaps"}
        assert said["complete"] is True


async def test_undelivered_lists_what_a_partner_has_not_acknowledged(asked):
    """Waiting and dead letters, never what was acknowledged nor another partner's; as lines, JSON and CSV."""
    deployment, orders = asked
    for name, states in (("waiting", ["waiting"]), ("rejected", ["rejected"]), ("delivered", [])):
        options = ("undelivered", "--partner", f"shop-{name}", "--since", "1h")
        done = await deployment.run(*options, "--json")
        assert done.returncode == 0
        rows = json.loads(done.stdout)["notifications"]
        assert [(row["order_id"], row["state"]) for row in rows] == [
            (orders[name], state) for state in states
        ]
        in_csv = await deployment.run(*options, "--csv")
        table = list(csv.DictReader(io.StringIO(in_csv.stdout)))
        assert [row["result"] for row in table] == ["S:SUCCESS"] * len(states)
        lines = (await deployment.run(*options)).stdout.splitlines()
        assert [line.split("\t")[0] for line in lines] == [row["order_id"] for row in rows]
    both = await deployment.run("undelivered", "--partner=a", "--since=1h", "--csv", "--json")
    assert both.returncode == 2


async def _why(deployment, order, *more):
    done = await deployment.run("why", order, "--json", *more)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["schema"], said["order_id"], said["found"]) == (1, order, True)
    assert said["complete"] is not bool(more)
    (life,) = said["notifications"]
    return life
