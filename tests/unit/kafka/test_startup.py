"""Waiting for Kafka at the start: what is waited for, and how often that is said."""

import logging
import ssl

import pytest
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaTimeoutError,
    NotControllerError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)

from streams.kafka.access.tokens import TokenError, TokenRefused
from streams.kafka.admin import startup
from streams.kafka.admin.diagnosis import KeptOut, knock
from streams.kafka.admin.preflight import Brokers, Unreachable, Unusable
from streams.kafka.admin.startup import FallingRate, prepare_start, reach_kafka
from streams.kafka.connection import Connection
from streams.kafka.patches.answer_times import NotAnswering
from streams.settings import Settings
from streams.telemetry.health import Health


@pytest.fixture
def settings(tmp_path):
    return Settings.model_validate(
        {"brokers": "127.0.0.1:1", "partners_file": tmp_path / "partners.yaml"}
    )


def test_the_same_is_said_at_a_falling_rate():
    """At once, after 10, 20, 40 s and so on up to ten minutes; a new sentence at once, and then anew."""
    rate = FallingRate()
    said = [second for second in range(2600) if rate.is_time("nobody", second)]
    assert said == [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430]
    said = [second for second in range(2600, 2650) if rate.is_time("no answer", second)]
    assert said == [2600, 2610, 2630]
    said = [second for second in range(2650, 2710) if rate.is_time(f"{second % 2}", second)]
    assert said == [2650, 2651, 2661, 2681]  # two that take turns are not said at each turn


def test_a_worker_that_waits_lives_and_is_not_ready():
    """What it waits for is a reason of `/health/ready` until it is over."""
    health = Health()
    health.waiting_for_kafka = "nobody answers"
    assert health.not_live() == []
    assert health.not_ready(0.0) == ["waiting for Kafka: nobody answers"]
    health.waiting_for_kafka = None
    assert health.not_ready(0.0) == []


def _tls(kind, reason):
    """Return an error as OpenSSL's wrapper makes it."""
    error = kind(1, reason)
    error.reason = error.verify_message = reason
    return error


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (ConnectionRefusedError(111, "refused"), False),
        (OSError(-2, "Name or service not known"), False),
        (TimeoutError(), False),
        (NotAnswering("a moment ago"), False),
        (ConnectionResetError(104, "reset"), False),
        (KafkaConnectionError("closed"), False),
        (_tls(ssl.SSLEOFError, "UNEXPECTED_EOF_WHILE_READING"), False),
        (TokenError("the token server can't be reached"), False),
        (TokenRefused("the token server gives no token: 401"), True),
        (SaslAuthenticationFailed(), True),
        (UnsupportedSaslMechanismError(), True),
        (IllegalSaslStateError(), True),
        (_tls(ssl.SSLCertVerificationError, "CERTIFICATE_VERIFY_FAILED"), True),
        (_tls(ssl.SSLError, "TLSV13_ALERT_CERTIFICATE_REQUIRED"), True),
    ],
    ids=repr,
)
async def test_what_will_be_the_same_tomorrow_is_a_refusal(monkeypatch, error, refused):
    """Who we are, and who the broker is; whatever may be a broker that comes up or goes down is none."""

    async def create_conn(*_, **__):
        raise error

    monkeypatch.setattr("streams.kafka.admin.diagnosis.create_conn", create_conn)
    found = await knock(Connection("a:1,b:2"), "test")
    assert found is not None
    assert found.refused is refused


async def test_a_refusal_is_not_forgotten_over_a_broker_that_is_away(monkeypatch):
    """One broker refuses the password and the next is down: that is no reason to wait."""
    errors = iter([SaslAuthenticationFailed(), ConnectionRefusedError(111, "refused")])

    async def create_conn(*_, **__):
        raise next(errors)

    monkeypatch.setattr("streams.kafka.admin.diagnosis.create_conn", create_conn)
    found = await knock(Connection("a:1,b:2"), "test")
    assert found is not None
    assert found.refused
    assert "a:1 refuses this user" in found.why


async def test_it_waits_until_nothing_is_in_the_way(monkeypatch, settings):
    """A connection, then brokers that can do what is asked: each reason is told, and the end of it."""
    knocks = iter([KeptOut("nobody", refused=False), None, None])
    checks = iter([Unreachable(["no controller yet"]), None])
    told: list[str | None] = []

    async def knocked(*_):
        return next(knocks)

    async def prepared(_):
        if (fault := next(checks)) is not None:
            raise fault

    monkeypatch.setattr(startup, "knock", knocked)
    monkeypatch.setattr(startup, "prepare_start", prepared)
    monkeypatch.setattr(startup, "_BETWEEN_TRIES_SECONDS", 0.0)
    await reach_kafka(settings, told.append)
    assert told == ["nobody", "no controller yet", None]


class Reached(Brokers):
    """Brokers that answer."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotControllerError(), Unreachable),
        (KafkaTimeoutError(), Unreachable),
        (KafkaConnectionError("closed"), Unreachable),
        (TimeoutError(), Unreachable),
        (TopicAuthorizationFailedError(), Unusable),
    ],
    ids=repr,
)
async def test_brokers_that_cannot_do_it_now_are_waited_for(monkeypatch, settings, error, kind):
    """A cluster that is coming up answers with errors that pass; a right that is missing doesn't come by itself."""

    class Answering(Reached):
        async def start_faults(self):
            raise error

    monkeypatch.setattr(startup, "Brokers", Answering)
    with pytest.raises(Unusable) as caught:
        await prepare_start(settings)
    assert type(caught.value) is kind


@pytest.mark.parametrize("faults", [[], ["a topic is missing"]])
async def test_what_is_only_warned_about_is_logged_at_a_start(
    monkeypatch, settings, caplog, faults
):
    """Each warning once, and none where the faults must be mended first."""

    class Answering(Reached):
        async def start_faults(self):
            self.topic_warnings = ["100 % too small"]
            return faults

        async def seed(self):
            return 0

    monkeypatch.setattr(startup, "Brokers", Answering)
    if faults:
        with pytest.raises(Unusable):
            await prepare_start(settings)
    else:
        await prepare_start(settings)
    logged = [("streams.kafka.admin.startup", logging.WARNING, "100 % too small")]
    assert caplog.record_tuples == ([] if faults else logged)
