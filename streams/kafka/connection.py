"""How to reach the brokers: one description, used by consumer, producer and admin client alike."""

import errno
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from streams.kafka.access.msk_iam import MskIam
from streams.kafka.access.oauth import TokenFile, TokenServer
from streams.kafka.access.renewed import Renewed
from streams.kafka.access.tokens import Tokens
from streams.kafka.patches import require_patches
from streams.partners import Certificates, certificates_in, use_chain_rules
from streams.partners.certificates import Kind
from streams.settings import Settings

_BY_TOKEN: Final = "OAUTHBEARER"  # noqa: S105  # a mechanism's name


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS to the brokers, as the files say.

    Attributes:
        context: for new connections.
        certificates: that stand in the files.
    """

    context: ssl.SSLContext
    certificates: tuple[Certificates, ...]


@dataclass(frozen=True, slots=True)
class Credentials:
    """How it stands with what opens the connection.

    Attributes:
        current: by kind (`tls`, `password`, `token`), whether the newest version is in force.
        certificates: in force.
        token_ends_in_seconds: how long the token in force may still be used, less than 0 once it has ended; None where
            there is none.
    """

    current: Mapping[str, bool]
    certificates: tuple[Certificates, ...]
    token_ends_in_seconds: float | None


@dataclass(frozen=True, slots=True)
class Connection:
    """The `NOTIFIER_BROKERS` and `NOTIFIER_KAFKA_*` settings.

    Files are read again when they change, and tokens are renewed, once for the whole process: a new connection uses what
    is in force then, and so does the renewal of a session (`streams.kafka.patches.sasl_sessions`).

    Attributes:
        brokers: bootstrap servers, `host:port`, comma separated.
        security_protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        sasl_mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM; used with SASL only.
        user: SASL user.
        password_file: file that holds the SASL password; a newline at its end is no part of it.
        ca_file: PEM bundle that the brokers' certificates are checked against, else the system's.
        certificate_file: our client certificate, PEM.
        key_file: its private key, PEM.
        tokens: where tokens come from, of the last two mechanisms.
        extensions: what is sent beside a token, as pairs of name and value.
        rack: where a worker stands, in the words of `broker.rack`; consumers of groups alone look at it.
    """

    brokers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    tokens: TokenServer | TokenFile | MskIam | None = None
    extensions: tuple[tuple[str, str], ...] = ()
    rack: str | None = None

    def options(self, client_id: str) -> dict[str, Any]:
        """Return the arguments that every aiokafka client takes.

        Raises:
            OSError: a file can't be read.
            ssl.SSLError: a file holds no certificate or key.
            RuntimeError: the program has not patched aiokafka.
        """
        require_patches()
        options: dict[str, Any] = {
            "bootstrap_servers": self.brokers,
            "client_id": client_id,
            "security_protocol": self.security_protocol,
        }
        tls, password, tokens = self._tls(), self._password(), self._tokens()
        if tls is not None:
            tls.present()
            options["ssl_context"] = tls
        if self._with_sasl:
            options["sasl_mechanism"] = self.sasl_mechanism if tokens is None else _BY_TOKEN
            options["sasl_plain_username"] = self.user
            if password is not None:
                options["sasl_plain_password"] = password.present()
            # Of the other mechanisms aiokafka only hands it on, to a connection of ours.
            options["sasl_oauth_token_provider"] = password if tokens is None else tokens
        return options

    def certificates(self) -> list[Certificates]:
        """Return when the certificates of the connection expire; nothing where it is no TLS or a file can't be read."""
        return list(_certificates(self.ca_file, self.certificate_file)) if self._with_tls else []

    def look(self) -> Credentials:
        """Read again what has changed on disk, and say how it stands. Blocks for some `stat` calls.

        Raises:
            OSError, ssl.SSLError: there never was a version that can be used.
        """
        tls, password, tokens = self._tls(), self._password(), self._tokens()
        certificates = () if tls is None else tls.present().certificates
        if password is not None:
            password.present()
        kinds = {"tls": tls, "password": password, "token": tokens}
        return Credentials(
            {kind: held.fault is None for kind, held in kinds.items() if held is not None},
            certificates,
            None if tokens is None else tokens.ends_in_seconds,
        )

    @property
    def _with_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @property
    def _with_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL")

    def _tls(self) -> Renewed[Tls] | None:
        if not self._with_tls:
            return None
        return _renewed_tls(self.ca_file, self.certificate_file, self.key_file)

    def _password(self) -> Renewed[str] | None:
        if not self._with_sasl or self.password_file is None or self.tokens is not None:
            return None
        return _renewed_password(self.password_file)

    def _tokens(self) -> Tokens | None:
        if not self._with_sasl or self.tokens is None:
            return None
        return _renewed_tokens(self.tokens, self.extensions)


@cache  # one for the process
def _renewed_tls(ca: Path | None, certificate: Path | None, key: Path | None) -> Renewed[Tls]:
    files = [path for path in (ca, certificate, key) if path is not None]
    return Renewed(
        "certificate, key or CA for Kafka", files, partial(_read_tls, ca, certificate, key)
    )


@cache
def _renewed_password(path: Path) -> Renewed[str]:
    return Renewed("password for Kafka", [path], partial(_read_password, path))


@cache
def _renewed_tokens(
    source: TokenServer | TokenFile | MskIam, extensions: tuple[tuple[str, str], ...]
) -> Tokens:
    return Tokens(source.fetch, dict(extensions))


def _read_tls(ca: Path | None, certificate: Path | None, key: Path | None) -> Tls:
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    use_chain_rules(context, strict=False)  # docs/decisions/0017-chain-rules.md
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525: the names stand in the extension
    if certificate is not None:
        # A passphrase is never asked for on a terminal.
        context.load_cert_chain(certificate, key, lambda: b"")
    return Tls(context, tuple(_certificates(ca, certificate)))


def _read_password(path: Path) -> str:
    try:
        text = path.read_bytes().decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise OSError(errno.EINVAL, "it is no UTF-8", str(path)) from error
    if not text:
        raise OSError(errno.EINVAL, "it is empty", str(path))
    return text


def _certificates(ca: Path | None, certificate: Path | None) -> list[Certificates]:
    held: list[Certificates] = []
    files: tuple[tuple[Kind, Path | None], ...] = (("ca", ca), ("client", certificate))
    for kind, path in files:
        with suppress(OSError, ValueError):  # connecting says what is wrong
            if path is not None:
                held.append(certificates_in(kind, str(path), path.read_bytes()))
    return held


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
        tokens=_tokens_of(settings),
        extensions=tuple(settings.kafka_oauth_extensions.items()),
        rack=settings.kafka_rack,
    )


def _tokens_of(settings: Settings) -> TokenServer | TokenFile | MskIam | None:
    match settings.kafka_sasl_mechanism:
        case "OAUTHBEARER" if settings.kafka_oauth_token_file is not None:
            return TokenFile(settings.kafka_oauth_token_file)
        case "OAUTHBEARER":
            url, secret = settings.kafka_oauth_token_url, settings.kafka_oauth_client_secret_file
            assert url is not None  # noqa: S101  # `Settings.conflicts` has looked
            assert secret is not None  # noqa: S101
            return TokenServer(
                url=url,
                client_id=settings.kafka_oauth_client_id or "",
                secret_file=secret,
                scope=settings.kafka_oauth_scope,
                ca_file=settings.kafka_oauth_ca_file,
                client_authentication=settings.kafka_oauth_client_authentication,
            )
        case "AWS_MSK_IAM":
            return MskIam(settings.kafka_aws_region or "")
        case _:
            return None
