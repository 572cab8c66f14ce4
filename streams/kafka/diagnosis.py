"""Why no broker lets us in, in words that name the setting to look at.

aiokafka says "unable to bootstrap" whatever the reason is; one connection made by hand tells more.
"""

import ssl
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from streams.kafka.connection import Connection
from streams.kafka.msk_iam import MskIam
from streams.kafka.tokens import TokenError

_PATIENCE_MS: Final = 5_000
_PROTOCOL: Final = "NOTIFIER_KAFKA_SECURITY_PROTOCOL"


async def why_unreachable(connection: Connection, client_id: str) -> str:
    """Try each bootstrap server once and say what the last that answered at all had against us.

    Raises:
        OSError: a file of the settings can't be read; also an ssl.SSLError when it holds no certificate or key.
    """
    options = connection.options(client_id)
    del options["bootstrap_servers"]
    found = network = ""
    for server in connection.brokers.split(","):
        host, _, port = server.rpartition(":")
        try:
            tried = await create_conn(
                host.strip("[]"), int(port), request_timeout_ms=_PATIENCE_MS, **options
            )
        except (KafkaError, OSError, TimeoutError) as error:
            found, network = _in_words(error, server, connection) or found, str(error)
        else:
            tried.close()
            found = (
                f"{_PROTOCOL}: {server} accepts a connection and answers nothing on it; it is"
                f" {connection.security_protocol}, which may not be what this listener speaks"
            )
    return found or (
        f"NOTIFIER_BROKERS: no broker answers at {connection.brokers}: {network}; expected a reachable"
        " Kafka, see also NOTIFIER_KAFKA_SECURITY_PROTOCOL"
    )


def _in_words(error: Exception, server: str, connection: Connection) -> str:  # noqa: PLR0911  # a table, one line for each reason
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error.__context__
    tls = error if isinstance(error, ssl.SSLError) else cause
    match error:
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
        case _ if isinstance(tls, ssl.SSLError) and "ALERT" in (tls.reason or ""):
            return (
                "NOTIFIER_KAFKA_CERTIFICATE_FILE, NOTIFIER_KAFKA_KEY_FILE: "
                f"{server} refuses our certificate, or wants one ({tls.reason})"
            )
        case ssl.SSLError() | ConnectionResetError() | KafkaError():
            return f"{_PROTOCOL}: {server} ends the connection; expected the protocol that this listener speaks"
        case _:
            return ""  # nobody is there


def _refused(error: Exception, server: str, connection: Connection) -> str:
    said = f" ({error.args[0]})" if error.args and error.args[0] else ""
    match connection.tokens:
        case None:
            return (
                f"NOTIFIER_KAFKA_USER, NOTIFIER_KAFKA_PASSWORD_FILE: {server} refuses this user or its password"
                " with this NOTIFIER_KAFKA_SASL_MECHANISM"
            )
        case MskIam():
            return (
                f"NOTIFIER_KAFKA_AWS_REGION: {server} refuses our AWS identity{said}; expected the region of the cluster"
                " and a policy that allows kafka-cluster:Connect on it"
            )
        case _:
            return (
                f"NOTIFIER_KAFKA_OAUTH_SCOPE, NOTIFIER_KAFKA_OAUTH_EXTENSIONS: {server} refuses the token{said};"
                " expected one of the issuer and audience that its listener takes"
            )
