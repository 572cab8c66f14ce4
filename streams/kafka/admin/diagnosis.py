"""Why no broker lets us in, in words that name the setting to look at.

aiokafka says "unable to bootstrap" whatever the reason is; one connection made by hand tells more.
"""

import ssl
from dataclasses import dataclass
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from streams.kafka.access.msk_iam import MskIam
from streams.kafka.access.tokens import TokenError, TokenRefused
from streams.kafka.connection import Connection
from streams.kafka.patches.answer_times import NotAnswering

_PATIENCE_MS: Final = 5_000
_PROTOCOL: Final = "NOTIFIER_KAFKA_SECURITY_PROTOCOL"


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Why no broker lets us in.

    Attributes:
        why: a sentence that names the setting to look at.
        refused: a broker is there and will not have us as we are, today or tomorrow. Else nobody is there, or who is
            there ends the connection or says nothing, as brokers and load balancers do while they come and go.
    """

    why: str
    refused: bool


async def knock(connection: Connection, client_id: str) -> KeptOut | None:
    """Try each bootstrap server once; return None where one lets us in, else what the last that answered had against us.

    Raises:
        OSError: a file of the settings can't be read; also an ssl.SSLError when it holds no certificate or key.
    """
    options = connection.options(client_id)
    del options["bootstrap_servers"]
    refusal = network = ""
    refused = False
    for server in connection.brokers.split(","):
        host, _, port = server.rpartition(":")
        try:
            tried = await create_conn(
                host.strip("[]"), int(port), request_timeout_ms=_PATIENCE_MS, **options
            )
        except (KafkaError, OSError, TimeoutError) as error:
            if not refused:  # a refusal is not forgotten over a server that is only away
                refused = _is_refusal(error)
                refusal = _in_words(error, server, connection) or refusal
            silent = isinstance(error, NotAnswering) or not str(error)  # a time-out has no words
            network = "it answers nothing" if silent else str(error)
        else:
            tried.close()
            return None
    why = refusal or (
        f"NOTIFIER_BROKERS: no broker answers at {connection.brokers}: {network}; expected a reachable"
        " Kafka, see also NOTIFIER_KAFKA_SECURITY_PROTOCOL"
    )
    return KeptOut(why, refused)


def accepts_only(connection: Connection) -> KeptOut:
    """Return what to say of brokers that let us in and then answer nothing that we ask."""
    why = (
        f"{_PROTOCOL}: {connection.brokers} accepts a connection and answers nothing on it; it is"
        f" {connection.security_protocol}, which may not be what this listener speaks"
    )
    return KeptOut(why, refused=False)


def _is_refusal(error: Exception) -> bool:
    """Tell whether this will be the same tomorrow: our user, our certificate, theirs, or TLS where none is spoken."""
    tls = _tls_error(error)
    if tls is not None:
        return not isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return isinstance(
        error,
        SaslAuthenticationFailed
        | UnsupportedSaslMechanismError
        | IllegalSaslStateError
        | TokenRefused,
    )


def _tls_error(error: Exception) -> ssl.SSLError | None:
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error.__context__
    return next((seen for seen in (error, cause) if isinstance(seen, ssl.SSLError)), None)


def _in_words(error: Exception, server: str, connection: Connection) -> str:  # noqa: PLR0911  # a table, one line for each reason
    tls = _tls_error(error)
    match error:
        case NotAnswering():
            return ""
        case TokenError():
            return str(error)
        case SaslAuthenticationFailed():
            return _refused(error, server, connection)
        case UnsupportedSaslMechanismError():
            return f"NOTIFIER_KAFKA_SASL_MECHANISM: {server} does not offer it"
        case IllegalSaslStateError():
            return f"{_PROTOCOL}: the listener at {server} asks for no SASL; expected SSL or PLAINTEXT there"
        case ssl.SSLCertVerificationError():
            return f"NOTIFIER_KAFKA_CA_FILE: the certificate of {server} is not trusted: {error.verify_message}"
        case _ if tls is not None and "ALERT" in (tls.reason or ""):
            return (
                "NOTIFIER_KAFKA_CERTIFICATE_FILE, NOTIFIER_KAFKA_KEY_FILE: "
                f"{server} refuses our certificate, or wants one ({tls.reason})"
            )
        case ssl.SSLError() | ConnectionResetError() | KafkaError():
            return f"{_PROTOCOL}: {server} ends the connection; expected the protocol that this listener speaks"
        case _:
            return ""  # nobody is there


def _refused(error: Exception, server: str, connection: Connection) -> str:
    quoted = f" ({error.args[0]})" if error.args and error.args[0] else ""
    match connection.tokens:
        case None:
            return (
                f"NOTIFIER_KAFKA_USER, NOTIFIER_KAFKA_PASSWORD_FILE: {server} refuses this user or its password"
                " with this NOTIFIER_KAFKA_SASL_MECHANISM"
            )
        case MskIam():
            return (
                f"NOTIFIER_KAFKA_AWS_REGION: {server} refuses our AWS identity{quoted}; expected the region of the cluster"
                " and a policy that allows kafka-cluster:Connect on it"
            )
        case _:
            return (
                f"NOTIFIER_KAFKA_OAUTH_SCOPE, NOTIFIER_KAFKA_OAUTH_EXTENSIONS: {server} refuses the token{quoted};"
                " expected one of the issuer and audience that its listener takes"
            )
