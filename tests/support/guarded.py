"""An installation on a broker as a bank has it: its workers come by TLS and SASL, each role as a user of its own."""

from pathlib import Path

from streams.kafka.rights import RIGHTS, Right, Role, rights_of
from streams.notification.profiles import TIERS
from streams.sandbox.broker import Broker
from streams.settings import Settings
from tests.support.access import grant
from tests.support.deployment import Deployment
from tests.support.kafka import administration

MECHANISMS = {"main": "SCRAM-SHA-512", "retry": "SCRAM-SHA-256", "all": "PLAIN"}
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

    def settings(self, user: str, **more: object) -> Settings:
        """Return the same as the program's own settings."""
        variables = self.deployment.settings(**self.access(user, **more))
        return Settings.model_validate(
            {name.removeprefix("NOTIFIER_").lower(): text for name, text in variables.items()}
        )
