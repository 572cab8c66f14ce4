"""The settings: defaults, what a bad value says, what can't stand together, and names that are no settings."""

import ipaddress
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.setting_values import parse_duration
from streams.settings import (
    Settings,
    SettingsError,
    load_settings,
    unknown_variables,
)

# The contract, section 5.
DEFAULTS: list[tuple[str, str, object]] = [
    ("NOTIFIER_BROKERS", "brokers", "localhost:9092"),
    ("NOTIFIER_SOURCE_TOPICS", "source_topics", ("payment-final-state",)),
    ("NOTIFIER_EVENT_MAPPING", "event_mapping", None),
    ("NOTIFIER_SCHEMA_REGISTRY_URL", "schema_registry_url", None),
    ("NOTIFIER_SCHEMA_REGISTRY_USER", "schema_registry_user", None),
    ("NOTIFIER_SCHEMA_REGISTRY_PASSWORD_FILE", "schema_registry_password_file", None),
    ("NOTIFIER_SCHEMA_REGISTRY_TOKEN_FILE", "schema_registry_token_file", None),
    ("NOTIFIER_SCHEMA_REGISTRY_CA_FILE", "schema_registry_ca_file", None),
    ("NOTIFIER_SCHEMA_REGISTRY_CACHE", "schema_registry_cache", 1000),
    ("NOTIFIER_TOPIC_PREFIX", "topic_prefix", "payment-notification"),
    ("NOTIFIER_TOPIC_PARTITIONS", "topic_partitions", 12),
    ("NOTIFIER_TOPIC_REPLICATION", "topic_replication", None),  # min(3, brokers)
    ("NOTIFIER_GROUP_ID", "group_id", "payment-notifier"),
    ("NOTIFIER_START_FROM", "start_from", "earliest"),
    ("NOTIFIER_ROLE", "role", "all"),
    ("NOTIFIER_MAX_IN_FLIGHT", "max_in_flight", 512),
    ("NOTIFIER_WEB_PORT", "web_port", 6066),
    ("NOTIFIER_WEB_BIND", "web_bind", "0.0.0.0"),  # noqa: S104  # the contract's
    ("NOTIFIER_EGRESS_ALLOW", "egress_allow", ()),
    ("NOTIFIER_EGRESS_DENY", "egress_deny", ()),
    ("NOTIFIER_EGRESS_NAT64", "egress_nat64", ()),
    ("NOTIFIER_EGRESS_SOURCE_ADDRESS", "egress_source_address", ()),
    ("NOTIFIER_ALLOW_HTTP", "allow_http", False),
    ("NOTIFIER_LADDER_SCALE", "ladder_scale", 1.0),
    ("NOTIFIER_GIVE_UP_AFTER", "give_up_after", 72 * 3600.0),
    ("NOTIFIER_OVERDUE_AFTER", "overdue_after", 5.0),
    ("NOTIFIER_LOG_LEVEL", "log_level", "info"),
    ("NOTIFIER_LOG_FORMAT", "log_format", "console"),
    ("NOTIFIER_LOG_SAMPLE", "log_sample", 0.0),
    ("NOTIFIER_TRACING", "tracing", False),
    ("NOTIFIER_CONSOLE_PORT", "console_port", 6067),
    ("NOTIFIER_CONSOLE_METRICS_PORT", "console_metrics_port", 0),
    ("NOTIFIER_CONSOLE_BIND", "console_bind", "127.0.0.1"),
    ("NOTIFIER_CONSOLE_URL", "console_url", None),
    ("NOTIFIER_CONSOLE_TOKENS_FILE", "console_tokens_file", None),
    ("NOTIFIER_CONSOLE_DATABASE", "console_database", None),
    ("NOTIFIER_CONSOLE_KEEP", "console_keep", 14 * 86_400.0),
    ("NOTIFIER_KAFKA_SECURITY_PROTOCOL", "kafka_security_protocol", "PLAINTEXT"),
    ("NOTIFIER_KAFKA_SASL_MECHANISM", "kafka_sasl_mechanism", "SCRAM-SHA-512"),
    ("NOTIFIER_KAFKA_USER", "kafka_user", None),
    ("NOTIFIER_KAFKA_PASSWORD_FILE", "kafka_password_file", None),
    ("NOTIFIER_KAFKA_OAUTH_TOKEN_URL", "kafka_oauth_token_url", None),
    ("NOTIFIER_KAFKA_OAUTH_CLIENT_ID", "kafka_oauth_client_id", None),
    ("NOTIFIER_KAFKA_OAUTH_CLIENT_SECRET_FILE", "kafka_oauth_client_secret_file", None),
    ("NOTIFIER_KAFKA_OAUTH_CLIENT_AUTHENTICATION", "kafka_oauth_client_authentication", "basic"),
    ("NOTIFIER_KAFKA_OAUTH_SCOPE", "kafka_oauth_scope", None),
    ("NOTIFIER_KAFKA_OAUTH_CA_FILE", "kafka_oauth_ca_file", None),
    ("NOTIFIER_KAFKA_OAUTH_TOKEN_FILE", "kafka_oauth_token_file", None),
    ("NOTIFIER_KAFKA_OAUTH_EXTENSIONS", "kafka_oauth_extensions", {}),
    ("NOTIFIER_KAFKA_AWS_REGION", "kafka_aws_region", None),
    ("NOTIFIER_KAFKA_CA_FILE", "kafka_ca_file", None),
    ("NOTIFIER_KAFKA_CERTIFICATE_FILE", "kafka_certificate_file", None),
    ("NOTIFIER_KAFKA_KEY_FILE", "kafka_key_file", None),
    ("NOTIFIER_KAFKA_RACK", "kafka_rack", None),
]


BY_TOKEN = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"}
TOKEN_SERVER = BY_TOKEN | {
    "KAFKA_OAUTH_TOKEN_URL": "https://tokens.example.com/oauth2/token",
    "KAFKA_OAUTH_CLIENT_ID": "me",
    "KAFKA_OAUTH_CLIENT_SECRET_FILE": "FILE",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Nothing of the machine's own, and the one setting that must be."""
    for name in tuple(os.environ):
        if name.upper().startswith("NOTIFIER"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", "partners.yaml")
    return monkeypatch


def faults():
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == "\n".join(caught.value.faults)
    return list(caught.value.faults)


@pytest.mark.parametrize(("variable", "field", "default"), DEFAULTS)
def test_defaults(environment, variable, field, default):
    """As in the contract; an empty value is none."""
    assert getattr(load_settings(), field) == default
    environment.setenv(variable, "")
    assert getattr(load_settings(), field) == default


def test_there_is_no_other_setting_and_each_is_described():
    """The table of the documentation comes from here."""
    names = {variable for variable, _, _ in DEFAULTS} | {"NOTIFIER_PARTNERS_FILE"}
    assert names == {f"NOTIFIER_{name.upper()}" for name in Settings.model_fields}
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_command_asks_for_the_files_that_it_opens_only(environment, tmp_path):
    """What is unneeded may be unset or gone; the rest is asked for as ever."""
    environment.delenv("NOTIFIER_PARTNERS_FILE", raising=False)
    environment.setenv("NOTIFIER_CONSOLE_TOKENS_FILE", str(tmp_path / "gone"))
    with pytest.raises(SettingsError):
        load_settings(unneeded=["console_tokens_file"])
    with pytest.raises(SettingsError):
        load_settings(unneeded=["partners_file"])
    settings = load_settings(unneeded=["console_tokens_file", "partners_file"])
    assert settings.partners_file.name == ""


def test_the_partners_file_is_required(environment):
    """And says what it is."""
    environment.delenv("NOTIFIER_PARTNERS_FILE")
    assert faults() == ["NOTIFIER_PARTNERS_FILE: not set, expected the partners file, YAML"]


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("BROKERS", "[fe80::1%eth0]:9092", "brokers", "[fe80::1%eth0]:9092"),
        ("BROKERS", "k\u00e4fka_1.example.:9092", "brokers", "k\u00e4fka_1.example.:9092"),
        ("BROKERS", "a:1, b.example:65535 ,[::1]:9092", "brokers", "a:1,b.example:65535,[::1]:9092"),
        ("SOURCE_TOPICS", "one, two,", "source_topics", ("one", "two")),
        ("TOPIC_PREFIX", "a.b_c-D9", "topic_prefix", "a.b_c-D9"),
        ("TOPIC_REPLICATION", "2", "topic_replication", 2),
        ("START_FROM", "latest", "start_from", "latest"),
        ("START_FROM", "2026-11-22T00:00:00Z", "start_from", datetime(2026, 11, 22, tzinfo=UTC)),
        ("START_FROM", "2026-11-22T08:00:00+08:00", "start_from", datetime(2026, 11, 22, tzinfo=UTC)),
        ("ROLE", "retry", "role", "retry"),
        ("PARTNERS_FILE", "/etc/a b.yaml", "partners_file", Path("/etc/a b.yaml")),
        ("WEB_PORT", "0", "web_port", 0),
        ("ALLOW_HTTP", "true", "allow_http", True),
        ("LADDER_SCALE", "0.001", "ladder_scale", 0.001),
        ("GIVE_UP_AFTER", "4d", "give_up_after", 345_600.0),
        ("OVERDUE_AFTER", "250ms", "overdue_after", 0.25),
        ("EGRESS_SOURCE_ADDRESS", "192.0.2.7, 2001:DB8::7", "egress_source_address", ("192.0.2.7", "2001:db8::7")),
        (
            "EGRESS_ALLOW",
            "10.0.0.0/8, fd00::/8,127.0.0.1",
            "egress_allow",
            tuple(ipaddress.ip_network(net) for net in ("10.0.0.0/8", "fd00::/8", "127.0.0.1/32")),
        ),
    ],
)  # fmt: skip
def test_good_values(environment, variable, text, field, value):
    """Read from text; blanks around commas do no harm."""
    environment.setenv(f"NOTIFIER_{variable}", text)
    assert getattr(load_settings(), field) == value


BROKERS = "expected bootstrap servers as host:port, comma separated, without a protocol before them"
TOPIC = "expected a topic name: 1 to 249 of letters, digits, '.', '_' and '-'"
START = "expected earliest, latest or an ISO 8601 time with offset like 2026-11-22T00:00:00Z"
DURATION = "expected a number and one of ms, s, m, h, d, like 5s or 72h"


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("BROKERS", "localhost", BROKERS),
        ("BROKERS", ":9092", BROKERS),
        ("BROKERS", "a:1,,b:2", BROKERS),
        ("BROKERS", "a:0", BROKERS),
        ("BROKERS", "a:65536", BROKERS),
        ("BROKERS", "kafka://a:x", BROKERS),
        ("BROKERS", "kafka://a:9092", BROKERS),
        ("BROKERS", "a:9092/b", BROKERS),
        ("BROKERS", "::1", BROKERS),
        ("BROKERS", "fd00::1:9092", BROKERS),
        ("BROKERS", "a b:9092", BROKERS),
        ("BROKERS", "a : 9092", BROKERS),
        ("BROKERS", "a..b:9092", BROKERS),
        ("BROKERS", "x" * 64 + ".example:9092", BROKERS),
        ("BROKERS", "kafka\udcff:9092", BROKERS),
        ("SOURCE_TOPICS", "a b", TOPIC),
        ("SOURCE_TOPICS", "good,b/d", TOPIC),
        ("SOURCE_TOPICS", "x" * 250, TOPIC),
        ("SOURCE_TOPICS", "..", TOPIC),
        ("SOURCE_TOPICS", ",", "at least 1 item"),
        ("TOPIC_PREFIX", "a/b", TOPIC),
        ("GROUP_ID", "支付", TOPIC),
        ("TOPIC_PARTITIONS", "0", "expected greater than or equal to 1"),
        ("TOPIC_PARTITIONS", "many", "expected a valid integer"),
        ("TOPIC_REPLICATION", "0", "expected greater than or equal to 1"),
        ("START_FROM", "yesterday", START),
        ("START_FROM", "2026-11-22T00:00:00", START),
        ("START_FROM", "2026-02-30T00:00:00Z", START),
        ("ROLE", "both", "expected 'main', 'retry' or 'all'"),
        ("MAX_IN_FLIGHT", "0", "expected greater than or equal to 1"),
        ("MAX_IN_FLIGHT", "1e3", "expected a valid integer"),
        ("WEB_PORT", "65536", "expected less than or equal to 65535"),
        ("WEB_PORT", "-1", "expected greater than or equal to 0"),
        ("EGRESS_ALLOW", "10.0.0.1/8", "expected CIDRs like 10.0.0.0/8,fd00::/8, comma separated"),
        ("EGRESS_ALLOW", "example.com", "expected CIDRs like 10.0.0.0/8,fd00::/8, comma separated"),
        ("EGRESS_DENY", "bank.example", "expected CIDRs like 10.0.0.0/8,fd00::/8, comma separated"),
        ("EGRESS_NAT64", "192.0.2.0/24", "expected IPv6 prefixes like 2001:db8:64::/96"),
        ("EGRESS_NAT64", "2001:db8:64::/80", "expected prefixes of 32, 40, 48, 56, 64, 96 bits"),
        ("EGRESS_SOURCE_ADDRESS", "bank.example", "expected IP addresses like 192.0.2.7,2001:db8::7"),
        ("EGRESS_SOURCE_ADDRESS", "192.0.2.7,192.0.2.8", "expected one IPv4 and one IPv6 address at most"),
        ("ALLOW_HTTP", "perhaps", "expected a valid boolean"),
        ("LADDER_SCALE", "0", "expected greater than 0"),
        ("LADDER_SCALE", "1.01", "expected less than or equal to 1"),
        ("LADDER_SCALE", "nan", "expected"),
        ("LADDER_SCALE", "inf", "expected"),
        ("LADDER_SCALE", "half", "expected a valid number"),
        ("GIVE_UP_AFTER", "72", DURATION),
        ("GIVE_UP_AFTER", "3 days", DURATION),
        ("OVERDUE_AFTER", "-5s", DURATION),
        ("CONSOLE_KEEP", "23h", "expected greater than or equal to 86400"),
        ("OVERDUE_AFTER", "0s", "expected greater than 0"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "expected 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI", "expected 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER' or 'AWS_MSK_IAM'"),
        ("KAFKA_OAUTH_TOKEN_URL", "tokens.example.com", "expected"),
        ("KAFKA_OAUTH_EXTENSIONS", "logicalCluster", "expected name=value, comma separated"),
        ("KAFKA_OAUTH_EXTENSIONS", "auth=x", "expected name=value, comma separated"),
        ("KAFKA_OAUTH_EXTENSIONS", "a=b c", "expected name=value, comma separated"),
        ("KAFKA_AWS_REGION", "eu", "expected"),
    ],
)  # fmt: skip
def test_a_bad_value_names_the_setting_what_was_seen_and_what_was_expected(
    environment, variable, text, expected
):
    """One sentence an operator can act on."""
    environment.setenv(f"NOTIFIER_{variable}", text)
    (fault,) = faults()
    assert fault.startswith(f"NOTIFIER_{variable}: seen {text!r}, ")
    assert expected in fault


def test_every_fault_is_told_at_once(environment):
    """Not one start for each."""
    environment.delenv("NOTIFIER_PARTNERS_FILE")
    environment.setenv("NOTIFIER_ROLE", "both")
    environment.setenv("NOTIFIER_WEB_PORT", "x")
    environment.setenv("NOTIFIER_LADER_SCALE", "1")
    assert sorted(fault.split(":")[0] for fault in faults()) == [
        "NOTIFIER_LADER_SCALE",
        "NOTIFIER_PARTNERS_FILE",
        "NOTIFIER_ROLE",
        "NOTIFIER_WEB_PORT",
    ]


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("NOTIFIER_LADER_SCALE", "NOTIFIER_LADDER_SCALE"),
        ("NOTIFIER_SOURCE_TOPIC", "NOTIFIER_SOURCE_TOPICS"),
        ("NOTIFIER_MAX_INFLIGHT", "NOTIFIER_MAX_IN_FLIGHT"),
        ("NOTIFIER_PARTNER_FILE", "NOTIFIER_PARTNERS_FILE"),
        ("NOTIFIER_ROLES", "NOTIFIER_ROLE"),
        ("NOTIFIER_BROKER", "NOTIFIER_BROKERS"),
    ],
)
def test_a_misspelt_name_is_a_fault(environment, slip, meant):
    """It would be ignored without a word otherwise."""
    environment.setenv(slip, "x")
    assert faults() == [f"{slip}: there is no such setting; did you mean {meant}?"]


def test_a_name_like_no_setting_is_only_warned_of(environment):
    """A newer version's, or somebody else's."""
    environment.setenv("NOTIFIER_COLOUR", "red")
    environment.setenv("NOTIFIER_WEB_PORT", "1")
    assert load_settings().web_port == 1
    assert unknown_variables(os.environ) == ["NOTIFIER_COLOUR"]


@pytest.mark.parametrize(
    "name",
    [
        "NOTIFIER_SERVICE_HOST",
        "NOTIFIER_SERVICE_PORT",
        "NOTIFIER_SERVICE_PORT_HTTP",
        "NOTIFIER_PORT",
        "NOTIFIER_PORT_6066_TCP",
        "NOTIFIER_PORT_6066_TCP_PROTO",
        "NOTIFIER_PORT_6066_TCP_PORT",
        "NOTIFIER_PORT_6066_TCP_ADDR",
        "NOTIFIER_METRICS_SERVICE_HOST",
        "NOTIFIER_METRICS_PORT_6066_TCP_ADDR",
        "NOTIFIER_METRICS_PORT",
    ],
)
def test_what_kubernetes_puts_into_every_pod_is_none_of_ours(environment, name):
    """A Service called notifier must not stop the worker."""
    environment.setenv(name, "tcp://10.0.0.1:6066")
    load_settings()
    assert unknown_variables(os.environ) == []


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"GIVE_UP_AFTER": "24h"}, "NOTIFIER_GIVE_UP_AFTER: seen 86400s, expected at least 25h x"),
        ({"GIVE_UP_AFTER": "12h", "LADDER_SCALE": "0.5"}, "NOTIFIER_GIVE_UP_AFTER: seen 43200s"),
        *(
            (
                {"TOPIC_PREFIX": "pn", "SOURCE_TOPICS": f"payments,pn-{suffix}"},
                f"NOTIFIER_SOURCE_TOPICS: seen 'pn-{suffix}', which NOTIFIER_TOPIC_PREFIX=pn makes one of our own, expected",
            )
            for suffix in ("replay", "dead-letter", "attempts", "retry-30s", "retry-of-a-later-version")
        ),
        ({"TOPIC_PREFIX": "x" * 238}, "NOTIFIER_TOPIC_PREFIX: has 238 characters, expected at most 237"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_USER": "u"},
            "NOTIFIER_KAFKA_PASSWORD_FILE: not set, expected with NOTIFIER_KAFKA_SECURITY_PROTOCOL=SASL_SSL",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_PASSWORD_FILE": "FILE"},
            "NOTIFIER_KAFKA_USER: not set, expected with",
        ),
        (
            TOKEN_SERVER | {"KAFKA_OAUTH_CLIENT_ID": ""},
            "NOTIFIER_KAFKA_OAUTH_CLIENT_ID: not set, expected with",
        ),
        (
            TOKEN_SERVER | {"KAFKA_OAUTH_TOKEN_URL": "http://tokens.example.com/"},
            "NOTIFIER_KAFKA_OAUTH_TOKEN_URL: seen 'http://tokens.example.com/', expected https",
        ),
        (
            TOKEN_SERVER | {"KAFKA_OAUTH_TOKEN_URL": "https://tokens..example.com/"},
            "NOTIFIER_KAFKA_OAUTH_TOKEN_URL: seen 'https://tokens..example.com/', expected a server",
        ),
        (
            BY_TOKEN | {"KAFKA_OAUTH_TOKEN_FILE": "FILE", "KAFKA_OAUTH_CLIENT_ID": "me"},
            "NOTIFIER_KAFKA_OAUTH_CLIENT_ID: set together with NOTIFIER_KAFKA_OAUTH_TOKEN_FILE",
        ),
        (
            BY_TOKEN | {"KAFKA_SASL_MECHANISM": "AWS_MSK_IAM"},
            "NOTIFIER_KAFKA_AWS_REGION: not set, expected with",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_KEY_FILE": "FILE"},
            "NOTIFIER_KAFKA_CERTIFICATE_FILE and NOTIFIER_KAFKA_KEY_FILE: expected both or neither",
        ),
        *(
            (
                {"KAFKA_SECURITY_PROTOCOL": "SSL", f"KAFKA_{name}": "no/such"} | more,
                f"NOTIFIER_KAFKA_{name}: seen 'no/such', expected a file that can be read",
            )
            for name, more in (
                ("CA_FILE", {}),
                ("PASSWORD_FILE", {}),
                ("CERTIFICATE_FILE", {"KAFKA_KEY_FILE": "FILE"}),
                ("KEY_FILE", {"KAFKA_CERTIFICATE_FILE": "FILE"}),
            )
        ),
    ],
)  # fmt: skip
def test_what_cannot_stand_together(environment, tmp_path, variables, fault):
    """Each value alone is fine."""
    (tmp_path / "file").touch(0o600)
    (tmp_path / "file").write_text("x")
    for name, value in variables.items():
        environment.setenv(f"NOTIFIER_{name}", value.replace("FILE", str(tmp_path / "file")))
    (found,) = faults()
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "variables",
    [
        {"GIVE_UP_AFTER": "25h"},
        {"GIVE_UP_AFTER": "90s", "LADDER_SCALE": "0.001"},
        {"TOPIC_PREFIX": "x" * 237},
        {
            "TOPIC_PREFIX": "pn",
            "SOURCE_TOPICS": "pn,pn-final-state,pn-retry,pn-replays,other-replay",
        },
        {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_USER": "u", "KAFKA_PASSWORD_FILE": "FILE"},
        TOKEN_SERVER,
        TOKEN_SERVER | {"KAFKA_OAUTH_TOKEN_URL": "http://127.0.0.1/token", "ALLOW_HTTP": "true"},
        BY_TOKEN | {"KAFKA_OAUTH_TOKEN_FILE": "FILE"},
        BY_TOKEN | {"KAFKA_SASL_MECHANISM": "AWS_MSK_IAM", "KAFKA_AWS_REGION": "us-gov-west-1"},
    ],
)
def test_what_can_just_stand_together(environment, tmp_path, variables):
    """The bounds themselves are good."""
    (tmp_path / "file").touch(0o600)
    (tmp_path / "file").write_text("x")
    for name, value in variables.items():
        environment.setenv(f"NOTIFIER_{name}", value.replace("FILE", str(tmp_path / "file")))
    load_settings()


def test_sasl_in_the_clear_is_warned_about(environment, tmp_path):
    """The password can be heard; over TLS nothing is said."""
    (tmp_path / "password").touch(0o600)
    for name, value in {
        "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "USER": "u",
        "PASSWORD_FILE": str(tmp_path / "password"),
    }.items():
        environment.setenv(f"NOTIFIER_KAFKA_{name}", value)
    (found,) = load_settings().warnings()
    assert found.startswith("NOTIFIER_KAFKA_SECURITY_PROTOCOL: seen SASL_PLAINTEXT")
    environment.setenv("NOTIFIER_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    assert load_settings().warnings() == []


def test_msk_iam_without_its_extra(environment, monkeypatch):
    """The sentence names what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for name, value in (BY_TOKEN | {"KAFKA_SASL_MECHANISM": "AWS_MSK_IAM"}).items():
        environment.setenv(f"NOTIFIER_{name}", value)
    environment.setenv("NOTIFIER_KAFKA_AWS_REGION", "eu-west-1")
    (found,) = faults()
    assert found.startswith("NOTIFIER_KAFKA_SASL_MECHANISM: seen AWS_MSK_IAM, expected the extra")
    assert "payment-notifier[msk-iam]" in found


@pytest.mark.parametrize("name", ["KAFKA_PASSWORD_FILE", "KAFKA_KEY_FILE"])
def test_a_secret_that_others_can_read_is_warned_about(environment, tmp_path, name):
    """A password or key belongs to its owner and group alone; a certificate may be read by all."""
    for other in ("KAFKA_KEY_FILE", "KAFKA_CERTIFICATE_FILE", "KAFKA_PASSWORD_FILE"):
        path = tmp_path / other
        path.touch()
        path.chmod(0o644 if other in {name, "KAFKA_CERTIFICATE_FILE"} else 0o440)
        environment.setenv(f"NOTIFIER_{other}", str(path))
    (found,) = load_settings().warnings()
    assert found.startswith(
        f"NOTIFIER_{name}: seen {str(tmp_path / name)!r}: mode 0644 lets every user"
    )


def test_the_tiers_have_a_group_of_their_own(environment):
    """The same in every role, so that changing roles reads no topic again."""
    environment.setenv("NOTIFIER_GROUP_ID", "mine")
    for role in ("main", "retry", "all"):
        environment.setenv("NOTIFIER_ROLE", role)
        settings = load_settings()
        assert (settings.group_id, settings.retry_group_id) == ("mine", "mine-retry")


def test_settings_do_not_change():
    """Read once."""
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.role = "main"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("5s", 5.0), ("1.5m", 90.0), ("72h", 259_200.0), ("3d", 259_200.0)],
)
def test_durations(text, seconds):
    """A number and a unit."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "5 s", "5S", "-5s", "1e3s", "\N{ARABIC-INDIC DIGIT ONE}s", "5s5s", ".5s", None],
)
def test_no_durations(text):
    """Without a unit nobody knows what was meant."""
    with pytest.raises(ValueError, match=re.escape(DURATION)):
        parse_duration(text)


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2",
        "correct horse battery staple",
        "c2VjcmV0+/IHNlY3JldA==",
        "-----BEGIN PRIVATE KEY-----",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "/Hunter2",
        "https://user:hunter2@host/?token=hunter2",
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "KAFKA_PASSWORD_FILE",
        "KAFKA_KEY_FILE",
        "CONSOLE_TOKENS_FILE",
        "KAFKA_OAUTH_CLIENT_SECRET_FILE",
    ],
)
def test_a_secret_put_where_its_file_was_meant_is_not_quoted(monkeypatch, tmp_path, name, secret):
    """The message says how long it is and what is expected; a path that is misspelt is shown."""
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", str(tmp_path / "partners.yaml"))
    monkeypatch.setenv(f"NOTIFIER_{name}", secret)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (fault,) = [f for f in caught.value.faults if f.startswith(f"NOTIFIER_{name}: seen")]
    assert secret not in str(caught.value)
    assert f"a value of {len(str(Path(secret)))} characters (not shown" in fault
    for path in ("/run/secrets/kafka/password", "no/such", "Password.txt", f"{tmp_path}/A b"):
        monkeypatch.setenv(f"NOTIFIER_{name}", path)
        with pytest.raises(SettingsError, match=f"seen '{Path(path)}', expected a file"):
            load_settings()


REGISTRY = {"SCHEMA_REGISTRY_URL": "https://registry.example.com/apis/ccompat/v7"}


@pytest.mark.parametrize("service", [REGISTRY, TOKEN_SERVER])
def test_a_proxy_of_the_environment_that_cannot_be_used(environment, tmp_path, service):
    """It would show with the first question only; who asks nobody through it may have it."""
    environment.setenv("ALL_PROXY", "socks5://me:secret@proxy:1080")
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        environment.delenv(name, raising=False)
    load_settings()
    (tmp_path / "file").touch(0o600)
    for name, value in service.items():
        environment.setenv(f"NOTIFIER_{name}", value.replace("FILE", str(tmp_path / "file")))
    (found,) = faults()
    assert (
        "_URL: it is asked through the proxy of the environment: ALL_PROXY: seen a value" in found
    )
    assert "secret" not in found


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"SCHEMA_REGISTRY_URL": "http://registry.example.com"}, "NOTIFIER_SCHEMA_REGISTRY_URL: seen 'http://registry.example.com', expected https"),
        (REGISTRY | {"SCHEMA_REGISTRY_USER": "me"}, "NOTIFIER_SCHEMA_REGISTRY_USER and NOTIFIER_SCHEMA_REGISTRY_PASSWORD_FILE: expected both or neither"),
        (REGISTRY | {"SCHEMA_REGISTRY_USER": "me", "SCHEMA_REGISTRY_PASSWORD_FILE": "FILE", "SCHEMA_REGISTRY_TOKEN_FILE": "FILE"}, "NOTIFIER_SCHEMA_REGISTRY_USER: set together with"),
        ({"SCHEMA_REGISTRY_URL": "https://registry..example.com"}, "NOTIFIER_SCHEMA_REGISTRY_URL: seen 'https://registry..example.com', expected a server"),
        ({"EVENT_MAPPING": "no/such"}, "NOTIFIER_EVENT_MAPPING: seen 'no/such', expected a file that can be read"),
    ],
)  # fmt: skip
def test_the_schema_registry_is_asked_as_somebody_and_safely(
    environment, tmp_path, variables, fault
):
    """Who can change a schema on its way changes what partners are told."""
    (tmp_path / "file").touch(0o600)
    for name, value in variables.items():
        environment.setenv(f"NOTIFIER_{name}", value.replace("FILE", str(tmp_path / "file")))
    (found,) = faults()
    assert found.startswith(fault)
