"""How to reach the brokers: one description, used by consumer, producer and admin client alike."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.partners import Certificates, certificates_in, use_chain_rules
from streams.partners.certificates import Kind
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Connection:
    """The `NOTIFIER_BROKERS` and `NOTIFIER_KAFKA_*` settings.

    Attributes:
        brokers: bootstrap servers, `host:port`, comma separated.
        security_protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        sasl_mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; used with SASL only.
        user: SASL user.
        password_file: file that holds the SASL password; a newline at its end is no part of it.
        ca_file: PEM bundle that the brokers' certificates are checked against, else the system's.
        certificate_file: our client certificate, PEM.
        key_file: its private key, PEM.
    """

    brokers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def options(self, client_id: str) -> dict[str, Any]:
        """Return the arguments that every aiokafka client takes.

        Raises:
            OSError: a file can't be read.
            ssl.SSLError: a file holds no certificate or key.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.brokers,
            "client_id": client_id,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = self._tls()
        if self.security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.user
            if self.password_file is not None:
                options["sasl_plain_password"] = self.password_file.read_text(
                    encoding="utf-8"
                ).rstrip("\r\n")
        return options

    def certificates(self) -> list[Certificates]:
        """Return when the certificates of the connection expire; nothing where it is no TLS or a file can't be read."""
        held: list[Certificates] = []
        if self.security_protocol.endswith("SSL"):
            files: tuple[tuple[Kind, Path | None], ...] = (
                ("ca", self.ca_file),
                ("client", self.certificate_file),
            )
            for kind, path in files:
                with suppress(OSError, ValueError):  # connecting says what is wrong
                    if path is not None:
                        held.append(certificates_in(kind, str(path), path.read_bytes()))
        return held

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        use_chain_rules(context, strict=False)  # docs/decisions/0017-chain-rules.md
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False  # RFC 9525: the names stand in the extension
        if self.certificate_file is not None:
            # A passphrase is never asked for on a terminal.
            context.load_cert_chain(self.certificate_file, self.key_file, lambda: b"")
        return context


def connection_of(settings: Settings) -> Connection:
    """Return how to reach the brokers."""
    return Connection(
        brokers=settings.brokers,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        user=settings.kafka_user,
        password_file=settings.kafka_password_file,
        ca_file=settings.kafka_ca_file,
        certificate_file=settings.kafka_certificate_file,
        key_file=settings.kafka_key_file,
    )
