"""A second listener for the rehearsal broker, as a bank has it: TLS, SASL (tokens too) and access rules.

Its clients may do only what an access rule allows. The plain listener stays for the rehearsal itself, and
its nameless user may do everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.sandbox.keys import Keys

NAME: Final = "SECURE"
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_TLS_VERSIONS: Final = "TLSv1.3,TLSv1.2"
_LOGIN: Final = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Whose tokens the listener takes (OAUTHBEARER): JWTs whose `sub` is the user.

    Attributes:
        jwks_url: where its public keys stand; it must answer when the broker starts.
        issuer: what `iss` must be.
        audience: what `aud` must name.
    """

    jwks_url: str
    issuer: str
    audience: str


@dataclass(frozen=True, slots=True)
class SecureListener:
    """Who may come by the listener, and what it shows.

    Attributes:
        keys: whose server certificate it shows, and whose authority a client's certificate must come from.
        users: passwords by user, for every mechanism but OAUTHBEARER. Letters, digits, `-` and `_` only.
        client_certificate: whether a client must show a certificate as well.
        tokens: whose tokens it takes; without, OAUTHBEARER is not offered.
    """

    keys: Keys
    users: Mapping[str, str]
    client_certificate: bool = False
    tokens: TokenIssuer | None = None

    def __post_init__(self) -> None:
        for text in (*self.users, *self.users.values()):
            if not text.replace("-", "").replace("_", "").isalnum() or not text.isascii():
                message = (
                    "users and passwords of the rehearsal broker have letters, digits, - and _ only"
                )
                raise ValueError(message)

    def properties(self, home: Path) -> dict[str, str]:
        """Write what the broker needs into its home, and return the server properties that name it."""
        store = home / "listener.pem"
        store.touch(0o600)
        server = self.keys.server
        store.write_bytes(server.key.read_bytes() + server.certificate.read_bytes())
        (home / "authority.pem").write_bytes(self.keys.ca.read_bytes())
        prefix = f"listener.name.{NAME.lower()}"
        users = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        scram = f"{_LOGIN}.scram.ScramLoginModule required;"
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # the plain listener and the controller
            f"{prefix}.ssl.keystore.type": "PEM",
            f"{prefix}.ssl.keystore.location": store.name,
            f"{prefix}.ssl.truststore.type": "PEM",
            f"{prefix}.ssl.truststore.location": "authority.pem",
            f"{prefix}.ssl.client.auth": "required" if self.client_certificate else "none",
            f"{prefix}.ssl.enabled.protocols": _TLS_VERSIONS,
            f"{prefix}.sasl.enabled.mechanisms": ",".join(
                (*MECHANISMS, *(["OAUTHBEARER"] if self.tokens else []))
            ),
            f"{prefix}.plain.sasl.jaas.config": f"{_LOGIN}.plain.PlainLoginModule required {users};",
            f"{prefix}.scram-sha-256.sasl.jaas.config": scram,
            f"{prefix}.scram-sha-512.sasl.jaas.config": scram,
            **self._for_tokens(prefix),
        }

    def _for_tokens(self, prefix: str) -> dict[str, str]:
        if self.tokens is None:
            return {}
        mechanism, login = f"{prefix}.oauthbearer", f"{_LOGIN}.oauthbearer"
        return {
            f"{mechanism}.sasl.jaas.config": f"{login}.OAuthBearerLoginModule required;",
            f"{mechanism}.sasl.server.callback.handler.class": f"{login}.OAuthBearerValidatorCallbackHandler",
            f"{prefix}.sasl.oauthbearer.jwks.endpoint.url": self.tokens.jwks_url,
            f"{prefix}.sasl.oauthbearer.expected.issuer": self.tokens.issuer,
            f"{prefix}.sasl.oauthbearer.expected.audience": self.tokens.audience,
        }

    def java_flags(self) -> list[str]:
        """Return what the broker's Java must be told: since 4.0 it asks no address for keys that is not allowed so."""
        if self.tokens is None:
            return []
        return [f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.tokens.jwks_url}"]

    def format_arguments(self) -> list[str]:
        """Return what the storage must be formatted with: the users of SCRAM live in the cluster's metadata."""
        return [
            argument
            for mechanism in MECHANISMS
            if mechanism.startswith("SCRAM")
            for name, password in self.users.items()
            for argument in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]
