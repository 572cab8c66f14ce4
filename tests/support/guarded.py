"""An installation on a broker as a bank has it: its workers come by TLS and SASL, each role as a user of its own."""

from collections.abc import Mapping
from pathlib import Path

from streams.kafka.admin.rights import RIGHTS, Right, Role, rights_of
from streams.notification.profiles import TIERS
from streams.sandbox.broker import Broker
from streams.settings import Settings
from tests.support.access import grant
from tests.support.deployment import Deployment
from tests.support.kafka import administration
from tests.support.token_server import TokenServer

MECHANISMS = {"main": "SCRAM-SHA-512", "retry": "SCRAM-SHA-256", "all": "PLAIN"}
SESSION_SECONDS = 20
"""How long the broker lets a connection do anything without a new authentication."""
USERS = {name: f"{name}-CANARY-password" for name in (*RIGHTS, "nobody")}


class Guarded:
    """What belongs to it.

    Args:
        deployment: topics, groups and partners; seen through the broker's plain listener.
        bank: the broker with the secure listener, whose users are `USERS`.
        directory: where password files go.
    """

    def __init__(self, deployment: Deployment, bank: Broker, directory: Path) -> None:
        self.deployment, self._bank, self._directory = deployment, bank, directory

    def rights(self, role: Role) -> tuple[Right, ...]:
        """Return what a role needs here."""
        deployment = self.deployment
        return rights_of(role, deployment.names, TIERS, [deployment.source], deployment.group)

    async def grant(self, *roles: Role) -> None:
        """Give each role's user exactly what the role needs."""
        async with administration(self.deployment.bootstrap) as admin:
            for role in roles:
                await grant(admin, role, self.rights(role))

    def access(self, user: str, **more: object) -> dict[str, object]:
        """Return the settings of somebody who comes by the secure listener as this user."""
        password = self._directory / f"{user}.password"
        password.touch(0o600)
        password.write_text(USERS[user] + "\n")
        keys = self.deployment.keys
        return {
            "brokers": self._bank.secure_bootstrap,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": MECHANISMS.get(user, "SCRAM-SHA-512"),
            "kafka_user": user,
            "kafka_password_file": password,
            "kafka_ca_file": keys.ca,
            "kafka_certificate_file": keys.client.certificate,
            "kafka_key_file": keys.client.key,
            **more,
        }

    def access_by_token(self, user: str, tokens: TokenServer, **more: object) -> dict[str, object]:
        """Return the settings of somebody who comes with a token for this user."""
        access = self.access(user)
        return access | {
            "kafka_sasl_mechanism": "OAUTHBEARER",
            "kafka_user": None,
            "kafka_password_file": None,
            "kafka_oauth_token_url": tokens.url,
            "kafka_oauth_client_id": user,
            "kafka_oauth_client_secret_file": access["kafka_password_file"],
            "kafka_oauth_ca_file": self.deployment.keys.ca,
            **more,
        }

    def settings(self, user: str, **more: object) -> Settings:
        """Return the same as the program's own settings."""
        return self.read(self.access(user, **more))

    def read(self, access: Mapping[str, object]) -> Settings:
        """Return what `access` and the like give as the program's own settings."""
        variables = self.deployment.settings(**access)
        return Settings.model_validate(
            {name.removeprefix("NOTIFIER_").lower(): text for name, text in variables.items()}
        )
