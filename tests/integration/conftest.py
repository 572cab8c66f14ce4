"""One broker with TLS, SASL and access rules for all tests that want one."""

from contextlib import asynccontextmanager

import pytest

from streams.sandbox.broker import Broker
from streams.sandbox.secure_listener import SecureListener
from tests.support.deployment import Deployment
from tests.support.guarded import SESSION_SECONDS, USERS, Guarded
from tests.support.token_server import TokenServer


@pytest.fixture(scope="session")
def tokens(keys):
    """A token server; its clients have the users' names and passwords."""
    with TokenServer(keys, USERS) as running:
        yield running


@pytest.fixture(scope="session")
def bank(tmp_path_factory, keys, tokens):
    """A broker whose second listener asks for a certificate, a password or token, and rights; sessions last 20 s."""
    listener = SecureListener(keys, USERS, client_certificate=True, tokens=tokens.issuer)
    properties = {"connections.max.reauth.ms": str(SESSION_SECONDS * 1000)}
    with Broker(tmp_path_factory.mktemp("bank"), secure=listener, properties=properties) as running:
        yield running


@pytest.fixture
def make_guarded(bank, partner, keys, tmp_path):
    """Make an installation on the guarded broker."""

    @asynccontextmanager
    async def make(*, topics=True, partitions=1, **options):
        deployment = Deployment(bank, partner, keys, tmp_path, partitions, **options)
        try:
            if topics:
                await deployment.create_topics()
            yield Guarded(deployment, bank, tmp_path)
            assert not deployment.unwanted, "\n\n".join(deployment.unwanted)
        finally:
            deployment.kill_workers()
            await deployment.delete_topics()

    return make
