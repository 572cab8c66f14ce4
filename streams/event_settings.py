"""The settings of events that are not of our own form: the mapping file, and the registry of their schemas."""

from pathlib import Path
from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings

from streams.kafka_settings import PREFIX, KafkaSettings
from streams.redaction import shown_url

REGISTRY_SECRETS: Final = ("schema_registry_password_file", "schema_registry_token_file")
EVENT_FILES: Final = ("event_mapping", *REGISTRY_SECRETS, "schema_registry_ca_file")
"""Settings that name a file."""


class EventSettings(BaseSettings):
    """`NOTIFIER_EVENT_MAPPING` and the `NOTIFIER_SCHEMA_REGISTRY_*` settings."""

    model_config = KafkaSettings.model_config

    event_mapping: Path | None = Field(
        None,
        description="the mapping file, YAML, for source topics whose events are not of our own form"
        " (docs/event-mapping.md); on every other topic they are",
    )
    schema_registry_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        description="the schema registry of events in Avro, with Confluent's API; https, or http with NOTIFIER_ALLOW_HTTP",
    )
    schema_registry_user: str | None = Field(
        None, min_length=1, description="who we are to the schema registry, with a password"
    )
    schema_registry_password_file: Path | None = Field(
        None, description="file with that password; read anew for each schema"
    )
    schema_registry_token_file: Path | None = Field(
        None,
        description="file with a bearer token for the schema registry instead; read anew for each schema",
    )
    schema_registry_ca_file: Path | None = Field(
        None, description="CA bundle for the schema registry's certificate, PEM; else the system's"
    )
    schema_registry_cache: int = Field(
        1000, ge=1, le=100_000, description="schemas that a worker keeps, once they were read"
    )

    def event_conflicts(self, *, allow_http: bool) -> list[str]:
        """Return what of them can't stand together, one sentence each.

        Args:
            allow_http: whether a registry may be asked by plain http.
        """
        url, name = self.schema_registry_url, f"{PREFIX}SCHEMA_REGISTRY"
        faults = []
        if url is not None:
            from streams.service_url import url_faults  # noqa: PLC0415  # slow to import, and few deployments have one

            faults += url_faults(f"{name}_URL", url)
        if url is not None and url.startswith("http:") and not allow_http:
            faults.append(
                f"{name}_URL: seen {shown_url(url, with_path=True)}, expected https: who can change a schema on its way"
                f" changes what partners are told (for local use {PREFIX}ALLOW_HTTP=true)"
            )
        if (self.schema_registry_user is None) != (self.schema_registry_password_file is None):
            faults.append(f"{name}_USER and {name}_PASSWORD_FILE: expected both or neither")
        if self.schema_registry_user is not None and self.schema_registry_token_file is not None:
            faults.append(
                f"{name}_USER: set together with {name}_TOKEN_FILE, expected one of password and token"
            )
        return faults
