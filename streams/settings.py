"""The settings: environment variables with the prefix `NOTIFIER_`, read once (contract, section 5)."""

import difflib
import importlib.util
import ipaddress
import os
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import NoDecode

from streams.event_settings import EVENT_FILES, REGISTRY_SECRETS, EventSettings
from streams.kafka_settings import KAFKA_SECRETS, PREFIX, KafkaSettings
from streams.redaction import shown_path, shown_text
from streams.secret_files import why_exposed
from streams.setting_values import (
    Duration,
    Networks,
    TopicName,
    bootstrap_servers,
    group_start,
    list_of,
    of_nat64_lengths,
    one_a_family,
)
from streams.topic_names import LONGEST_PREFIX, TopicNames

# What Kubernetes puts into every pod for a Service called "notifier"; none of ours.
_SERVICE_LINK = re.compile(
    r"NOTIFIER(_[A-Z0-9_]+)?_(SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP)(_[A-Z]+)?)?)"
)
KAFKA_FILES = (*KAFKA_SECRETS, "kafka_ca_file", "kafka_certificate_file", "kafka_oauth_ca_file")
CONSOLE_FILES = ("console_tokens_file",)
_LIKE = 0.85  # how alike two names are, of 1, before one is taken for a slip of the other


def _can_trace() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


class SettingsError(ValueError):
    """Settings that can't be used: every fault, each with the variable's name, what was seen and what is expected."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


class Settings(KafkaSettings, EventSettings):
    """All settings. Every field's description is its line in the documentation."""

    brokers: Annotated[str, AfterValidator(bootstrap_servers)] = Field(
        "localhost:9092", description="bootstrap servers, comma separated"
    )
    source_topics: Annotated[
        tuple[TopicName, ...], NoDecode, list_of(str, "topic names"), Field(min_length=1)
    ] = Field(
        ("payment-final-state",),
        description="topics that payment core writes to, comma separated; none of ours",
    )
    topic_prefix: TopicName = Field(
        "payment-notification",
        description="prefix of the tiers, the replay, dead-letter and attempts topics",
    )
    topic_partitions: int = Field(12, ge=1, description="partitions of each of our topics")
    topic_replication: int | None = Field(
        None, ge=1, description="copies of each of our topics; min(3, brokers) unless set"
    )
    group_id: TopicName = Field(
        "payment-notifier",
        description="consumer group of the source topics; the tiers' group is the same with -retry",
    )
    start_from: Annotated[
        Literal["earliest", "latest"] | datetime, BeforeValidator(group_start)
    ] = Field(
        "earliest",
        description="where a group begins that has never read the topic (docs/topics.md): earliest, latest or an ISO"
        " time",
    )
    role: Literal["main", "retry", "all"] = Field(
        "all",
        description="main (source topics and replay), retry (tiers), all (both groups in one process)",
    )
    partners_file: Path = Field(description="the partners file, YAML")
    max_in_flight: int = Field(512, ge=1, le=65_536, description="HTTP calls at once per worker")
    web_port: int = Field(
        6066, ge=0, le=65_535, description="port of /metrics, /health/live and /health/ready"
    )
    web_bind: str = Field(
        "0.0.0.0",  # noqa: S104  # probes and Prometheus come from outside the pod
        min_length=1,
        description="address that the web port listens on",
    )
    egress_allow: Networks = Field(
        (),
        description="CIDRs that may be called although private, loopback, link-local or metadata, and on every"
        " port",
    )
    egress_deny: Networks = Field(
        (),
        description="CIDRs that may not be called although public, such as public ranges that are used inside;"
        " wins over NOTIFIER_EGRESS_ALLOW",
    )
    egress_nat64: Annotated[
        tuple[ipaddress.IPv6Network, ...],
        NoDecode,
        list_of(ipaddress.IPv6Network, "IPv6 prefixes like 2001:db8:64::/96"),
        AfterValidator(of_nat64_lengths),
    ] = Field(
        (),
        description="the network's own NAT64 prefixes beside 64:ff9b::/96: an address in one is judged as the IPv4"
        " address that it holds",
    )
    egress_source_address: Annotated[
        tuple[str, ...],
        NoDecode,
        list_of(
            lambda part: str(ipaddress.ip_address(part)), "IP addresses like 192.0.2.7,2001:db8::7"
        ),
        AfterValidator(one_a_family),
    ] = Field(
        (),
        description="our own addresses that partners are called from, one IPv4 and one IPv6 at most;"
        " a family without one is not used then",
    )
    allow_http: bool = Field(default=False, description="plain http notify URLs (local use)")
    ladder_scale: float = Field(
        1.0, gt=0, le=1, description="multiplies every wait, for rehearsals"
    )
    give_up_after: Duration = Field(
        72 * 3600.0, description="no notification lives longer, counted from when it was accepted"
    )
    overdue_after: Duration = Field(
        5.0, gt=0, description="how late a due attempt may start before it is overdue"
    )
    console_port: int = Field(
        6067, ge=0, le=65_535, description="port of `notifier console`, its metrics and probes too"
    )
    console_metrics_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="port of the console's /metrics alone, so that what leads browsers to the console"
        " does not lead to them; 0: on NOTIFIER_CONSOLE_PORT",
    )
    console_bind: str = Field(
        "127.0.0.1", min_length=1, description="address that the console listens on"
    )
    console_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@\s]+$",
        description="the console's address as browsers see it, like https://notifier.example.com;"
        " with https its cookie is sent over TLS only",
    )
    console_tokens_file: Path | None = Field(
        None, description="file with the console's access tokens, YAML; it does not start without"
    )
    console_database: Path | None = Field(
        None,
        description="the console's read model, a file that it makes and may make anew;"
        " unless set, a temporary one, read from Kafka at every start",
    )
    console_keep: Duration = Field(
        14 * 86_400.0,
        ge=86_400,
        description="how far back the console knows attempts, events and replays, at least 1d; it knows everything that"
        " waits and every dead letter, however old",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least that the worker's own messages must be to be logged"
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="lines of text, or one JSON object a line"
    )
    log_sample: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the notifications whose every attempt and decision is logged, at level info",
    )
    tracing: bool = Field(
        default=False,
        description="a span for each attempt, sent as OpenTelemetry's `OTEL_*` variables say; needs the extra `tracing`",
    )

    def conflicts(self, unneeded: Collection[str] = ()) -> list[str]:
        """Return what can't stand together or can't be read, one sentence each.

        Args:
            unneeded: settings whose files nobody will open, so that they need not be there.
        """
        faults = []
        least = 25 * 3600 * self.ladder_scale
        if self.give_up_after < least:
            faults.append(
                f"{PREFIX}GIVE_UP_AFTER: seen {self.give_up_after:g}s, expected at least 25h x {PREFIX}LADDER_SCALE"
                f" = {least:g}s, or notifications expire before their last attempt"
            )
        if len(self.topic_prefix) > LONGEST_PREFIX:
            faults.append(
                f"{PREFIX}TOPIC_PREFIX: has {len(self.topic_prefix)} characters, expected at most {LONGEST_PREFIX}"
            )
        ours = TopicNames(self.topic_prefix)
        faults += [
            f"{PREFIX}SOURCE_TOPICS: seen {topic!r}, which {PREFIX}TOPIC_PREFIX={self.topic_prefix} makes one of our own,"
            " expected topics that payment core writes: what we write would come back as events without end"
            " (name payment core's topic, or set another prefix)"
            for topic in self.source_topics
            if ours.is_ours(topic)
        ]
        if self.tracing and not _can_trace():
            faults.append(
                f"{PREFIX}TRACING: seen true, expected the extra for it: pip install 'payment-notifier[tracing]'"
            )
        faults += self.kafka_conflicts(allow_http=self.allow_http)
        faults += self.event_conflicts(allow_http=self.allow_http)
        for name in (*KAFKA_FILES, *EVENT_FILES, *CONSOLE_FILES):
            path: Path | None = getattr(self, name)
            if name not in unneeded and path is not None and not os.access(path, os.R_OK):
                faults.append(
                    f"{PREFIX}{name.upper()}: seen {shown_path(path)}, expected a file that can be read"
                )
        return faults

    def warnings(self) -> list[str]:
        """Return what should be better but does no harm to a run: secrets that too many others can read, or hear."""
        found = self.kafka_warnings()
        for name in (*KAFKA_SECRETS, *REGISTRY_SECRETS):
            path: Path | None = getattr(self, name)
            exposed = why_exposed(path) if path is not None else None
            if exposed is not None:
                found.append(f"{PREFIX}{name.upper()}: seen {str(path)!r}: {exposed}")
        return found

    @property
    def retry_group_id(self) -> str:
        """The consumer group of the tiers, in every role."""
        return f"{self.group_id}-retry"


def load_settings(*, unneeded: Collection[str] = ()) -> Settings:
    """Read the settings from the environment.

    Args:
        unneeded: settings that name files which the caller does not open: they may be missing, and a `partners_file`
            that is not set is an empty path.

    Raises:
        SettingsError: with every fault at once.
    """
    faults = _slips(os.environ)
    unset = "partners_file" in unneeded and not os.environ.get(f"{PREFIX}PARTNERS_FILE")
    try:
        settings = Settings(partners_file=Path()) if unset else Settings()
    except ValidationError as error:
        raise SettingsError([*faults, *(_fault(item) for item in error.errors())]) from error
    faults += settings.conflicts(unneeded)
    if faults:
        raise SettingsError(faults)
    return settings


def _slips(seen: Mapping[str, str]) -> list[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    faults = []
    for name in sorted(seen):
        if not name.startswith(PREFIX) or name in known or _SERVICE_LINK.fullmatch(name):
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=_LIKE)
        if close:
            faults.append(f"{name}: there is no such setting; did you mean {close[0]}?")
    return faults


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the variables with our prefix that mean nothing to us, for a warning."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(
        name
        for name in environment
        if name.startswith(PREFIX)
        and name not in known
        and not _SERVICE_LINK.fullmatch(name)
        and not difflib.get_close_matches(name, known, n=1, cutoff=_LIKE)  # a fault, see `_slips`
    )


def _fault(error: ErrorDetails) -> str:
    field = str(error["loc"][0])
    variable = PREFIX + field.upper()
    if error["type"] == "missing":
        return f"{variable}: not set, expected {Settings.model_fields[field].description}"
    expected = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if not expected.startswith("expected"):
        expected = f"expected {expected}"
    return f"{variable}: seen {_seen(os.environ.get(variable, ''))}, {expected}"


def _seen(text: str) -> str:
    """Return a setting's value; lists of networks or brokers may be long, keys have line breaks and URLs tokens."""
    return shown_text(text) if "\n" in text or "://" in text or "@" in text else repr(text)
