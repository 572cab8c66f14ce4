"""`notifier dead-letters` and `notifier resend`: what was given up on is put back, once, and told."""

import json
from base64 import b64decode
from hashlib import sha256

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from schemas.attempt_record import AttemptRecord, render
from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import OutRecord
from streams.operator.dead_letters.replay_record import ReplayAudit, replay_settlement
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.support.kafka import administration, ends_of, header_texts
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-alipay-plus"
TOKEN = "hunter2"  # noqa: S105  # a test's


@pytest.fixture
async def given_up(make_deployment):
    """Give a deployment with a worker and dead letters: two refused by one partner, one by another, one bad event."""
    async with make_deployment(settings={"ladder_scale": 0.001}) as deployment:
        deployment.add_partner("acme", PROFILE, "F:RISK_REJECT,S")
        deployment.add_partner("other", PROFILE, "F:PROCESS_FAIL,F:PROCESS_FAIL,S")
        worker = await deployment.ready_worker()
        events = [
            payment_event(PROFILE, rng=deployment.rng, partner_id=name)
            for name in ("acme", "acme", "other", "newcomer")
        ]
        url = deployment.partners["acme"]["notify_url"]
        events[0]["notifyUrl"] = f"{url}&token={TOKEN}"
        for event in events:
            await deployment.write(deployment.source, event, f"core/{order_id(event)}")
        await deployment.dead_letters(4)
        yield deployment, events
        assert await worker.stop() == 0


async def test_one_class_is_put_back_and_told_and_never_twice(given_up):
    """A dry run sends nothing; the run tells the selected orders with the same bytes; a second run has nothing to do."""
    deployment, events = given_up
    mine = [order_id(event) for event in events[:2]]
    choice = ("--partner", "acme", "--reason", "rejected")
    dry = await _replay(deployment, *choice)
    assert (dry["executed"], len(dry["selected"]), dry["put_back"]) == (False, 2, 0)
    assert await deployment.records(deployment.names.replay) == []

    refused = await deployment.run("dead-letters", "replay", *choice, "--execute", "--why", "x")
    assert refused.returncode == 2  # nobody can be asked
    wrong = await deployment.run(
        "dead-letters", "replay", *choice, "--execute", "--why", "x", "--expect", "3"
    )
    assert wrong.returncode == 1
    assert "seen 2 dead letters, expected 3" in wrong.stderr

    done = await _replay(
        deployment, *choice, "--execute", "--why", "acme is back", "--who", "alice", "--yes"
    )
    assert (done["put_back"], done["refused"]) == (2, [])
    records = await deployment.delivered(mine)
    for order in mine:
        said = [record for record in records if record["order_id"] == order]
        assert [record["decision"] for record in said] == ["dead-letter", "replayed", "delivered"]
        assert [record.get("replays") for record in said] == [0, 1, 1]
        assert [record.get("replay_run") for record in said] == [None, done["run"], done["run"]]
        assert (said[1]["by"], said[1]["why"]) == ("alice", "acme is back")
        assert said[1]["replay_of"].startswith(f"{deployment.names.dead_letter}/")
        assert (said[2]["attempt"], said[2]["trigger"]) == (1, "replay")
        assert len({request.body for request in deployment.requests(order)}) == 1
        life = await _why(deployment, order)
        assert (life["told"], life["state"], life["replays"]) == ("yes", "delivered", 1)
        put_back = [entry for entry in life["timeline"] if entry["kind"] == "replay"]
        assert [(entry["by"], entry["run"]) for entry in put_back] == [("alice", done["run"])]

    again = await _replay(deployment, *choice, "--execute", "--why", "again", "--yes")
    assert (again["put_back"], again["selected"]) == (0, [])
    assert {skipped["kind"] for skipped in again["skipped"]} == {"put back before"}
    assert {len(deployment.requests(order)) for order in mine} == {2}


async def test_an_interrupted_run_is_gone_on_with(given_up):
    """A decision that was written without its effect is done again; what had its effect is not."""
    deployment, events = given_up
    letters = await deployment.dead_letters(4)
    first = next(letter for letter in letters if letter.key == order_id(events[0]).encode())
    # As a process that died between the two writes leaves it.
    raw = RawRecord(
        first.topic, first.partition, first.offset, first.key, first.value, first.headers, 0
    )
    begun = OutRecord(deployment.names.replay, first.key, first.value, (("replays", b"1"),))
    settlement = replay_settlement(
        begun,
        read_fact("dead-letter", raw),
        ReplayAudit("r-broken", "alice", "acme is back"),
        AttemptRecord.model_validate_json(
            (await deployment.records(deployment.names.attempts))[-1].value
        ).at_ms,
    )
    await deployment.write(deployment.names.attempts, render(settlement.report), first.key)
    done = await _replay(
        deployment, "--partner", "acme", "--execute", "--why", "on", "--yes", "--run", "r-broken"
    )
    assert (done["run"], done["put_back"]) == ("r-broken", 2)
    await deployment.delivered([order_id(event) for event in events[:2]])
    again = await _replay(
        deployment, "--partner", "acme", "--execute", "--why", "on", "--yes", "--run", "r-broken"
    )
    assert (again["put_back"], len(again["skipped"])) == (0, 2)


async def test_a_limit_and_a_mended_partners_file(given_up):
    """What was put back so often is left; an event of an unknown partner is, until the partners file knows it."""
    deployment, events = given_up
    refused, unknown = order_id(events[2]), order_id(events[3])
    done = await _replay(deployment, refused, "--execute", "--why", "try", "--yes")
    assert done["put_back"] == 1
    await deployment.dead_letters(5)
    limited = await _replay(deployment, refused, "--max-replays", "1")
    assert {skipped["kind"] for skipped in limited["skipped"]} == {
        "put back before",
        "replayed too often",
    }
    left = await _replay(deployment, unknown)
    assert [skipped["kind"] for skipped in left["skipped"]] == ["unknown partner"]
    deployment.add_partner("newcomer", PROFILE, "S")

    async def told():
        await _replay(
            deployment, unknown, "--execute", "--why", "added", "--yes", "--max-replays", "9"
        )
        records = await deployment.attempts()
        return [r for r in records if r["order_id"] == unknown and r["decision"] == "delivered"]

    # The worker looks at the partners file every two seconds; what comes too soon is refused and put back again.
    (delivered,) = await eventually(told, what="the newcomer's order", every_seconds=1)
    origin = header_texts(
        next(letter for letter in await deployment.dead_letters() if letter.key == unknown.encode())
    )["origin"]
    assert delivered["origin"] == origin
    assert delivered["trigger"] == "replay"


async def test_list_show_and_export_keep_bodies_to_themselves(given_up):
    """Counts first, then rows; headers, length and digest of one; bodies only where they are asked for."""
    deployment, events = given_up
    listed = json.loads((await deployment.run("dead-letters", "list", "--json")).stdout)
    groups = {(g["partner_id"], g["reason"], g["code"]): g["count"] for g in listed["groups"]}
    assert groups == {
        ("acme", "rejected", "RISK_REJECT"): 2,
        ("other", "rejected", "PROCESS_FAIL"): 1,
        ("newcomer", "unknown-partner", None): 1,
    }
    assert listed["count"] == len(listed["letters"]) == 4
    filtered = await deployment.run(
        "dead-letters", "list", "--code", "RISK_REJECT", "--since", "1h", "--limit", "1", "--json"
    )
    assert (json.loads(filtered.stdout)["count"], len(json.loads(filtered.stdout)["letters"])) == (
        2,
        1,
    )
    lines = (await deployment.run("dead-letters", "list")).stdout.splitlines()
    assert lines[0].split("\t")[:4] == ["2", "acme", "rejected", "RISK_REJECT"]

    (letter,) = [
        x for x in await deployment.dead_letters() if x.key == order_id(events[0]).encode()
    ]
    place = f"{letter.topic}:{letter.partition}:{letter.offset}"
    shown = await deployment.run("dead-letters", "show", place)
    assert shown.returncode == 0
    assert sha256(letter.value).hexdigest() in shown.stdout
    assert f"{len(letter.value):,} bytes" in shown.stdout
    customer = events[0]["payment"].get("customerId", "\0")
    for output in (shown.stdout, (await deployment.run("dead-letters", "export")).stdout):
        assert customer not in output
        assert "paymentAmount" not in output
    await _no_token_in(
        deployment,
        ("dead-letters", "list"),
        ("dead-letters", "list", "--json"),
        ("dead-letters", "show", place),
        ("dead-letters", "show", place, "--json"),
        ("dead-letters", "export"),
        ("dead-letters", "replay", place, "--json"),
        ("why", order_id(events[0])),
        ("why", order_id(events[0]), "--json"),
        ("undelivered", "--partner", "acme", "--since", "1d", "--json"),
    )
    missing = await deployment.run("dead-letters", "show", f"{letter.topic}:0:999999")
    assert missing.returncode == 1

    file = deployment.partners_file.with_name("letters.jsonl")
    exported = await deployment.run(
        "dead-letters", "export", "--partner", "newcomer", "--with-bodies", "-o", str(file)
    )
    assert exported.returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    (row,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert b64decode(row["body_base64"]) == encode(events[3])
    twice = await deployment.run("dead-letters", "export", "-o", str(file))
    assert twice.returncode == 1


async def test_a_delivered_notification_is_sent_again(given_up):
    """Made anew from its event, to the same bytes; refused for what is not delivered and when its event is gone."""
    deployment, events = given_up
    event = payment_event(PROFILE, rng=deployment.rng)
    await deployment.write(deployment.source, event, "core")
    order = order_id(event)
    await deployment.delivered([order])
    done = await deployment.run("resend", order, "--why", "they lost it", "--who", "bob", "--yes")
    assert done.returncode == 0, done.stderr

    async def twice():
        return len(deployment.requests(order)) == 2

    await eventually(twice, what="the second request")
    assert len({request.body for request in deployment.requests(order)}) == 1
    await deployment.all_committed()
    life = await _why(deployment, order)
    assert (life["state"], life["replays"]) == ("delivered", 1)
    assert "bob" in {entry["by"] for entry in life["timeline"]}

    dead = await deployment.run("resend", order_id(events[0]), "--why", "x", "--yes")
    assert dead.returncode == 1
    assert "notifier dead-letters replay" in dead.stderr
    unsaid = await deployment.run("resend", order, "--yes")
    assert unsaid.returncode == 2
    nobody = await deployment.run("resend", order, "--why", "x")
    assert nobody.returncode == 2
    await _delete_records(deployment)
    gone = await deployment.run("resend", order, "--why", "x", "--yes")
    assert gone.returncode == 1
    assert "is not there any more (retention of the source topic)" in gone.stderr
    rebuilt = await _replay(
        deployment, order_id(events[2]), "--rebuild", "--execute", "--why", "x", "--yes", code=1
    )
    assert rebuilt["put_back"] == 0
    assert "is not there any more" in rebuilt["refused"][0]["why"]


async def _no_token_in(deployment, *commands):
    """Check that no command prints what stands in the query of a notify URL, while each names something of it."""
    for arguments in commands:
        done = await deployment.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert "acme" in done.stdout + done.stderr
        assert TOKEN not in done.stdout + done.stderr, arguments


async def _delete_records(deployment):
    """Take away what stands on the source topic, as its retention does."""
    async with administration(deployment.bootstrap) as admin:
        ends = await ends_of(deployment.bootstrap, [deployment.source])
        await admin.delete_records(
            {TopicPartition(*tag): RecordsToDelete(end) for tag, end in ends.items()}
        )


async def _replay(deployment, *options, code=0):
    done = await deployment.run("dead-letters", "replay", *options, "--json")
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout)


async def _why(deployment, order):
    done = await deployment.run("why", order, "--json")
    assert done.returncode == 0, done.stderr
    (life,) = json.loads(done.stdout)["notifications"]
    return life
