"""The settings of the way into Kafka: how to speak to the brokers, and what opens the door."""

import importlib.util
import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from streams.redaction import shown_url

PREFIX: Final = "NOTIFIER_"
KAFKA_SECRETS: Final = (
    "kafka_password_file",
    "kafka_key_file",
    "kafka_oauth_client_secret_file",
    "kafka_oauth_token_file",
)
_EXTENSION = re.compile(r"[A-Za-z]+")  # RFC 7628, 3.1
_EXTENSION_VALUE = re.compile(r"[\x21-\x7e]+")


def _extensions(text: object) -> object:
    if not isinstance(text, str):
        return text
    pairs = [pair.strip().partition("=") for pair in text.split(",")]
    for name, _, value in pairs:
        if (
            not _EXTENSION.fullmatch(name)
            or name == "auth"
            or not _EXTENSION_VALUE.fullmatch(value)
        ):
            message = "expected name=value, comma separated; names of letters other than auth, values printable"
            raise ValueError(message)
    return {name: value for name, _, value in pairs}


class KafkaSettings(BaseSettings):
    """The `NOTIFIER_KAFKA_*` settings. Every field's description is its line in the documentation."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, env_ignore_empty=True, validate_default=False
    )

    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to speak to the brokers"
    )
    kafka_sasl_mechanism: Literal[
        "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"
    ] = Field(
        "SCRAM-SHA-512",
        description="SASL mechanism; AWS_MSK_IAM needs the extra `msk-iam` and takes its credentials where AWS's own"
        " programs find them",
    )
    kafka_user: str | None = Field(None, description="SASL user, of PLAIN and SCRAM")
    kafka_password_file: Path | None = Field(None, description="file with the SASL password")
    kafka_oauth_token_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s#@]+$",
        description="token endpoint that OAUTHBEARER's tokens come from, by client credentials; https, or http with"
        " NOTIFIER_ALLOW_HTTP",
    )
    kafka_oauth_client_id: str | None = Field(
        None, min_length=1, description="who we are to the token server"
    )
    kafka_oauth_client_secret_file: Path | None = Field(
        None, description="file with our secret for the token server; read anew for each token"
    )
    kafka_oauth_client_authentication: Literal["basic", "post"] = Field(
        "basic",
        description="whether the token server takes id and secret in the header Authorization or in the form",
    )
    kafka_oauth_scope: str | None = Field(
        None, description="scope of the tokens, names with blanks between them"
    )
    kafka_oauth_ca_file: Path | None = Field(
        None, description="CA bundle for the token server's certificate, PEM; else the system's"
    )
    kafka_oauth_token_file: Path | None = Field(
        None, description="file that something else keeps a token in, instead of a token server"
    )
    kafka_oauth_extensions: Annotated[dict[str, str], NoDecode, BeforeValidator(_extensions)] = (
        Field(
            {},
            description="SASL extensions sent with a token, like logicalCluster=lkc-1,identityPoolId=pool-1",
        )
    )
    kafka_aws_region: str | None = Field(
        None,
        pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]+$",
        description="AWS region of the MSK cluster, with AWS_MSK_IAM",
    )
    kafka_ca_file: Path | None = Field(
        None, description="CA bundle for the brokers' certificates, PEM; else the system's"
    )
    kafka_certificate_file: Path | None = Field(None, description="client certificate, PEM")
    kafka_key_file: Path | None = Field(
        None, description="the client certificate's private key, PEM"
    )
    kafka_rack: str | None = Field(
        None,
        min_length=1,
        max_length=249,
        description="where the worker stands, in the words of the brokers' `broker.rack`: it reads from a copy there, if"
        " the brokers have a `replica.selector.class`; from leaders unless set",
    )

    def kafka_conflicts(self, *, allow_http: bool) -> list[str]:
        """Return what of them can't stand together, one sentence each.

        Args:
            allow_http: whether a token server may be asked by plain http.
        """
        faults = []
        if (self.kafka_certificate_file is None) != (self.kafka_key_file is None):
            faults.append(
                f"{PREFIX}KAFKA_CERTIFICATE_FILE and {PREFIX}KAFKA_KEY_FILE: expected both or neither"
            )
        if not self.kafka_security_protocol.startswith("SASL"):
            return faults
        needed = ["KAFKA_USER", "KAFKA_PASSWORD_FILE"]
        match self.kafka_sasl_mechanism:
            case "OAUTHBEARER":
                oauth = ("TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET_FILE")
                needed = [f"KAFKA_OAUTH_{name}" for name in oauth]
                if self.kafka_oauth_token_file is not None:
                    faults += [
                        f"{PREFIX}{name}: set together with {PREFIX}KAFKA_OAUTH_TOKEN_FILE, expected one of a token"
                        " server and a file"
                        for name in needed
                        if getattr(self, name.lower()) is not None
                    ]
                    needed = []
                token_url = self.kafka_oauth_token_url or ""
                if token_url:
                    from streams.service_url import url_faults  # noqa: PLC0415  # slow to import, and few clusters have one

                    faults += url_faults(f"{PREFIX}KAFKA_OAUTH_TOKEN_URL", token_url)
                if token_url.startswith("http:") and not allow_http:
                    faults.append(
                        f"{PREFIX}KAFKA_OAUTH_TOKEN_URL: seen {shown_url(token_url, with_path=True)}, expected https: our"
                        f" secret travels to it (for local use {PREFIX}ALLOW_HTTP=true)"
                    )
            case "AWS_MSK_IAM":
                needed = ["KAFKA_AWS_REGION"]
                if importlib.util.find_spec("aws_msk_iam_sasl_signer") is None:
                    faults.append(
                        f"{PREFIX}KAFKA_SASL_MECHANISM: seen AWS_MSK_IAM, expected the extra for it: pip install"
                        " 'payment-notifier[msk-iam]'"
                    )
            case _:
                pass  # a user with a password
        by = f"{PREFIX}KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} and {PREFIX}KAFKA_SASL_MECHANISM={self.kafka_sasl_mechanism}"
        return faults + [
            f"{PREFIX}{name}: not set, expected with {by}"
            for name in needed
            if getattr(self, name.lower()) is None
        ]

    def kafka_warnings(self) -> list[str]:
        """Return what of them should be better but does no harm to a run."""
        if self.kafka_security_protocol != "SASL_PLAINTEXT":
            return []
        message = (
            f"{PREFIX}KAFKA_SECURITY_PROTOCOL: seen SASL_PLAINTEXT: payments, and with PLAIN, OAUTHBEARER and"
            " AWS_MSK_IAM what lets us in, can be read on the way; expected SASL_SSL"
        )
        return [message]
