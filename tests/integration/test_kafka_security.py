"""A Kafka as a bank has it: TLS, SASL, and access rules that give each role no more than it needs."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.admin.preflight import Brokers, Unusable, ask_brokers
from streams.kafka.admin.rights import Right
from streams.kafka.connection import connection_of
from streams.kafka.consumer import member
from streams.notification.profiles import TIERS
from streams.sandbox.client import create_topic
from streams.sandbox.keys import make_keys
from streams.sandbox.payments import order_id, payment_event
from tests.support.access import grant, revoke
from tests.support.guarded import USERS
from tests.support.kafka import administration
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-ant"


@pytest.mark.parametrize("roles", [("main", "retry"), ("all",)])
async def test_workers_deliver_with_the_least_rights(make_guarded, roles):
    """Over TLS and SASL, each role as its own user with exactly its rights: an event, a retry, a replay, a dead letter."""
    async with make_guarded(settings={"ladder_scale": 0.01}) as guarded:
        deployment = guarded.deployment
        await guarded.grant(*roles)
        deployment.add_partner("slow", PROFILE, "U,S")
        workers = [
            await deployment.ready_worker(role=role, **guarded.access(role)) for role in roles
        ]
        told = payment_event(PROFILE, rng=deployment.rng, partner_id="slow")
        lost = payment_event(PROFILE, rng=deployment.rng, partner_id="newcomer")
        await deployment.send([told, lost])
        await deployment.delivered([order_id(told)])
        (letter,) = await deployment.dead_letters(1)
        deployment.add_partner("newcomer", PROFILE)
        await asyncio.gather(*(_read_again(worker) for worker in workers))
        await deployment.write(
            deployment.names.replay, letter.value, letter.key, dict(letter.headers)
        )
        await deployment.delivered([order_id(lost)])
        await deployment.all_committed()
        assert [await worker.stop() for worker in workers] == [0] * len(workers)


async def _read_again(worker):
    name = "notifier_config_last_reload_success_timestamp_seconds"
    before = await worker.metric(name)

    async def seen():
        return await worker.metric(name) > before

    await eventually(seen, what="a reload")


@pytest.mark.parametrize("role", ["main", "retry", "all"])
async def test_without_any_one_right_the_check_names_it(make_guarded, role):
    """Each right alone is taken away: exactly that one is named, and with it everything is well again."""
    async with make_guarded() as guarded, administration(guarded.deployment.bootstrap) as admin:
        rights = guarded.rights(role)
        await grant(admin, role, rights)
        settings = guarded.settings(role, role=role)
        async with Brokers(settings) as brokers:
            await _when(brokers.faults, lambda found: not found)
            first_tier = guarded.deployment.names.tier(TIERS[0])
            others = {guarded.deployment.names.tier(wait) for wait in TIERS[1:]}
            for right in (right for right in rights if right.name not in others):
                await revoke(admin, role, [right])
                named = await _when(brokers.faults, _only_rights)
                assert [text.split(", expected")[0] for text in named] == [
                    f"rights: user {role} may not {right}"
                ]
                await grant(admin, role, [right])
                await _when(brokers.faults, lambda found: not found)
            assert first_tier in {right.name for right in rights}


def _only_rights(found):
    """Tell whether rights are what is wrong: a rule that goes in the middle of a check shows as a missing topic."""
    return found and all(fault.startswith("rights: ") for fault in found)


async def _when(look, good):
    """Look until it is so: rules reach the broker's authorizer a moment after they are acknowledged."""
    found: list[str] = []

    async def seen():
        found[:] = await look()
        return good(found)

    await eventually(seen, what="an access rule")
    return found


async def test_a_worker_does_not_start_without_a_right(make_guarded):
    """It says which, and ends with 1 before it reads a record."""
    async with make_guarded() as guarded, administration(guarded.deployment.bootstrap) as admin:
        rights = guarded.rights("main")
        missing = next(right for right in rights if right.name.endswith("-attempts"))
        await grant(admin, "main", [right for right in rights if right != missing])
        worker = guarded.deployment.worker(role="main", **guarded.access("main"))
        assert await worker.ended() == 1
        assert f"rights: user main may not {missing}" in worker.log


async def test_topics_are_created_with_their_own_rights(make_guarded):
    """`notifier topics create` needs no more than its role; without CREATE on a topic it names that topic."""
    async with make_guarded(topics=False) as guarded:
        deployment = guarded.deployment
        rights = guarded.rights("topics")
        kept_back = next(right for right in rights if right.operation == "CREATE")
        async with administration(deployment.bootstrap) as admin:
            await create_topic(deployment.bootstrap, deployment.source, 1)
            await grant(admin, "topics", [right for right in rights if right != kept_back])
            run = await deployment.run("topics", "create", **guarded.access("topics"))
            assert run.returncode == 1
            assert f"expected a right to CREATE on topic {kept_back.name}" in run.stderr
            await grant(admin, "topics", [kept_back])
        run = await deployment.run("topics", "create", **guarded.access("topics"))
        assert (run.returncode, run.stderr) == (0, "")
        run = await deployment.run("topics", "check", **guarded.access("topics"))
        assert run.returncode == 0


async def test_an_operator_reads_and_replays_but_writes_no_tier(make_guarded):
    """The console's user sees attempts and dead letters and may put one back; a tier, a dead letter or an event never."""
    async with make_guarded() as guarded:
        await guarded.grant("console")
        names, deployment = guarded.deployment.names, guarded.deployment
        options = connection_of(guarded.settings("console")).options("console")
        consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
        await consumer.start()
        try:
            for topic in (names.attempts, names.dead_letter, names.replay, names.tier(TIERS[0])):
                consumer.assign([TopicPartition(topic, 0)])
                assert await consumer.position(TopicPartition(topic, 0)) == 0
        finally:
            await consumer.stop()
        producer = AIOKafkaProducer(**options, acks="all")
        await producer.start()
        try:
            for topic in (names.replay, names.attempts):
                await producer.send_and_wait(topic, b"{}")
            for topic in (names.tier(TIERS[0]), names.dead_letter, deployment.source):
                with pytest.raises(TopicAuthorizationFailedError):
                    await producer.send_and_wait(topic, b"{}")
        finally:
            await producer.stop()


async def test_a_topic_that_may_not_be_read_any_more_holds_up_no_others_commits(make_guarded):
    """Its right is taken away while its description stays: the brokers say so of it, and have committed the other."""
    async with make_guarded() as guarded, administration(guarded.deployment.bootstrap) as admin:
        deployment = guarded.deployment
        await guarded.grant("main")
        read = Right("topic", deployment.source, "READ")
        assert read in guarded.rights("main")
        await grant(admin, "main", [Right("topic", deployment.source, "DESCRIBE")])
        options = connection_of(guarded.settings("main")).options("member")
        consumer = AIOKafkaConsumer(**options, group_id=deployment.group, enable_auto_commit=False)
        both = [TopicPartition(topic, 0) for topic in (deployment.source, deployment.names.replay)]
        offset = 0

        async def commit():
            nonlocal offset
            offset += 1
            offsets = dict.fromkeys(both, OffsetAndMetadata(offset, ""))
            room, forbidden = await member.commit(consumer, lambda _: offsets, 100)
            assert room == 100
            return forbidden

        await consumer.start()
        try:
            consumer.assign(both)
            await _when(commit, lambda forbidden: not forbidden)
            await revoke(admin, "main", [read])
            assert await _when(commit, lambda forbidden: forbidden) == [deployment.source]
        finally:
            await consumer.stop()
        committed = await deployment.committed()
        assert committed == {
            (deployment.source, 0): offset - 1,
            (deployment.names.replay, 0): offset,
        }


async def test_a_stranger_sees_nothing(make_guarded):
    """A user without rights is told so for every topic and group, not that the topics don't exist."""
    async with make_guarded() as guarded, Brokers(guarded.settings("nobody")) as brokers:
        faults = await brokers.faults()
    assert all(fault.startswith("rights: user nobody may not ") for fault in faults)
    named = {fault.split(" on ")[1].split(", ")[0] for fault in faults}
    assert named == {f"{right.kind} {right.name}" for right in guarded.rights("all")}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"kafka_user": "intruder"}, "NOTIFIER_KAFKA_USER"),
        (
            {"kafka_sasl_mechanism": "SCRAM-SHA-256", "kafka_user": "intruder"},
            "NOTIFIER_KAFKA_USER",
        ),
        ({"kafka_ca_file": "other"}, "NOTIFIER_KAFKA_CA_FILE"),
        (
            {"kafka_certificate_file": None, "kafka_key_file": None},
            "NOTIFIER_KAFKA_CERTIFICATE_FILE",
        ),
        ({"kafka_security_protocol": "PLAINTEXT"}, "NOTIFIER_KAFKA_SECURITY_PROTOCOL"),
        ({"kafka_security_protocol": "SASL_PLAINTEXT"}, "NOTIFIER_KAFKA_SECURITY_PROTOCOL"),
        ({"brokers": "plain"}, "NOTIFIER_KAFKA_SECURITY_PROTOCOL"),
    ],
)
async def test_what_keeps_us_out_is_named(make_guarded, bank, tmp_path, changed, says):
    """A wrong user, authority, certificate or protocol: the fault names the setting to look at, and no password."""
    if changed.get("kafka_ca_file"):
        changed = {"kafka_ca_file": make_keys(Path(tmp_path) / "other").ca}
    if changed.get("brokers"):
        changed = {"brokers": bank.bootstrap}
    async with make_guarded(topics=False) as guarded:
        settings = guarded.settings("all", **changed)
        with pytest.raises(Unusable) as caught:
            async with Brokers(settings):
                pass
    (fault,) = caught.value.faults
    assert says in fault
    assert USERS["all"] not in fault


@pytest.mark.parametrize(
    ("changed", "server", "says"),
    [
        (
            {"kafka_oauth_client_id": "intruder"},
            {},
            "NOTIFIER_KAFKA_OAUTH_CLIENT_ID, NOTIFIER_KAFKA_OAUTH_CLIENT_SECRET_FILE: ",
        ),
        (
            {"kafka_oauth_token_url": "https://127.0.0.1:1/token"},
            {},
            "NOTIFIER_KAFKA_OAUTH_TOKEN_URL: ",
        ),
        ({"kafka_oauth_ca_file": "other"}, {}, "NOTIFIER_KAFKA_OAUTH_CA_FILE: "),
        ({}, {"refuses": (400, {"error": "invalid_scope"})}, "NOTIFIER_KAFKA_OAUTH_SCOPE: "),
        ({}, {"more": {"aud": "others"}}, "refuses the token"),
        ({}, {"more": {"iss": "https://evil.example.com"}}, "refuses the token"),
        (
            {"kafka_sasl_mechanism": "AWS_MSK_IAM", "kafka_aws_region": "eu-central-1"},
            {},
            "refuses our AWS identity",
        ),
    ],
)
async def test_what_keeps_a_token_out_is_named(  # noqa: PLR0913, PLR0917  # the fixtures that it takes
    make_guarded, tokens, tmp_path, monkeypatch, changed, server, says
):
    """A wrong client, server, authority or scope, a token or an identity that the broker refuses, with its own reason."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret-CANARY"),
    ):
        monkeypatch.setenv(name, value)
    for name, value in server.items():
        monkeypatch.setattr(tokens, name, value)
    if changed.get("kafka_oauth_ca_file"):
        changed = {"kafka_oauth_ca_file": make_keys(tmp_path / "other").ca}
    async with make_guarded(topics=False) as guarded:
        settings = guarded.read(guarded.access_by_token("all", tokens, **changed))
        with pytest.raises(Unusable) as caught:
            async with Brokers(settings):
                pass
    (fault,) = caught.value.faults
    assert says in fault
    assert "CANARY" not in fault


@pytest.mark.parametrize("source", ["server", "file"])
async def test_a_token_gives_its_users_rights(make_guarded, tokens, tmp_path, source):
    """Who came by token is the user that the token names: without rights nothing, with them everything is well."""
    async with make_guarded() as guarded:
        access = guarded.access_by_token("all", tokens)
        if source == "file":
            tokens.write_token(tmp_path / "token", "all")
            instead = ("token_url", "client_id", "client_secret_file", "ca_file")
            access |= {f"kafka_oauth_{name}": None for name in instead}
            access["kafka_oauth_token_file"] = tmp_path / "token"
        settings = guarded.read(access)
        async with Brokers(settings) as brokers:
            assert all("may not" in fault for fault in await brokers.faults())
            await guarded.grant("all")
            await _when(brokers.faults, lambda found: not found)


async def test_what_is_renewed_on_disk_is_used_by_the_next_connection(make_guarded, tmp_path):
    """Another certificate, another password: the broker sees the new one, and a bad new one leaves the old in force."""
    async with make_guarded(topics=False) as guarded:
        keys = guarded.deployment.keys
        certificate, key, password = (tmp_path / name for name in ("c.pem", "k.pem", "password"))
        good = {
            certificate: keys.client.certificate.read_text(),
            key: keys.client.key.read_text(),
            password: USERS["all"],
        }
        other = make_keys(tmp_path / "other").client

        def put(contents):
            for path, text in contents.items():
                path.write_text(text)

        put(good)
        settings = guarded.settings(
            "all",
            kafka_certificate_file=certificate,
            kafka_key_file=key,
            kafka_password_file=password,
        )
        connection = connection_of(settings)

        async def lets_in():
            return (await ask_brokers(connection, "renewed")).broker

        assert await lets_in()
        put({certificate: "half a certifi"})
        assert await lets_in()
        put({certificate: other.certificate.read_text(), key: other.key.read_text()})
        assert not await lets_in()
        put(good)
        assert await lets_in()
        put({password: ""})
        assert await lets_in()
        put({password: "wrong"})
        assert not await lets_in()
        put(good)
        assert await lets_in()
