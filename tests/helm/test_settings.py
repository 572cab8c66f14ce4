"""The settings: one set in the program, in the chart and in the documentation, with the same defaults."""

import re
from pathlib import Path

import pytest
import yaml

from streams.kafka.consumer import app, commits
from streams.kafka_settings import PREFIX
from streams.settings import Settings
from tests.helm.helm import CHART

VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
OWN_DEFAULTS = {
    "NOTIFIER_LOG_FORMAT": "json",  # what a cluster's log collector reads
}
"""Where the chart means something else than the program."""


def variable(name):
    """Return the variable of a key in camel case."""
    return PREFIX + re.sub(r"([A-Z])", r"_\1", name).upper()


def environment(objects):
    """Return the variables of every container, by the role of its pod."""
    found = {}
    for item in objects:
        template = item["spec"].get("template", item) if "spec" in item else {}
        for container in template.get("spec", {}).get("containers", []):
            role = item["metadata"]["labels"]["app.kubernetes.io/component"]
            found[role] = {entry["name"]: entry["value"] for entry in container["env"]}
    return found


@pytest.fixture(scope="module")
def by_role(helm):
    """Variables by role, with everything switched on and every setting set."""
    settings = {
        "egressSourceAddress": ["192.0.2.7"],
        "egressAllow": ["10.20.0.0/16"],
        "egressDeny": ["198.18.7.0/24"],
        "egressNat64": ["2001:db8:64::/96"],
        "kafkaRack": "euw1-az1",
    }
    objects = helm.objects(
        "full",
        {
            "settings": settings,
            "topics": {"job": {"enabled": True}, "strimzi": {"enabled": False}},
            "workers": {"all": {"enabled": True}},
        },
    )
    # A token instead of the password, in a release of its own: both together are refused.
    registry = {"url": "https://registry.example.com", "tokenSecret": {"name": "registry"}}
    other = helm.objects(
        "minimal",
        {
            "events": {"existingConfigMap": "events", "schemaRegistry": registry},
            "networkPolicy": {"schemaRegistry": {"to": [{"ipBlock": {"cidr": "10.1.4.0/24"}}]}},
        },
    )
    found = environment(objects)
    for role, variables in environment(other).items():
        found[role] = variables | found.get(role, {})
    return found


def test_chart_sets_every_setting_and_no_other(by_role):
    """Every setting of the program can be set through the chart, and the chart sets nothing that does not exist."""
    ours = {PREFIX + name.upper() for name in Settings.model_fields}
    set_somewhere = {name for variables in by_role.values() for name in variables}
    assert {name for name in set_somewhere if name.startswith(PREFIX)} == ours


def test_documentation_has_the_same_settings():
    """The generated table lists exactly what the program and so the chart have."""
    page = Path(CHART.parents[1] / "docs" / "settings.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(NOTIFIER_\w+)` \|", page, re.MULTILINE))
    assert documented == {PREFIX + name.upper() for name in Settings.model_fields}


def test_every_role_is_known_to_the_program(by_role):
    """Each workload runs the role that its label says; commands have none."""
    assert set(by_role) == {"main", "retry", "all", "console", "topics", "check"}
    roles = {component: variables.get("NOTIFIER_ROLE") for component, variables in by_role.items()}
    assert roles == {
        **{role: role for role in ("main", "retry", "all")},
        **dict.fromkeys(("console", "topics", "check")),
    }


@pytest.mark.parametrize("component", ["main", "retry", "all", "console", "topics", "check"])
def test_program_accepts_what_the_chart_sets(by_role, component, monkeypatch):
    """Every container's environment is read by the program without a fault."""
    for name, value in by_role[component].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NOTIFIER_TRACING", "false")
    settings = Settings()
    assert settings.brokers == "kafka-0.kafka:9093,kafka-1.kafka:9093,kafka-2.kafka:9094"
    assert settings.source_topics == ("payment-final-state", "payment-final-state.backfill")
    assert settings.topic_partitions == 24
    assert settings.max_in_flight == (2048 if component == "main" else 1024)
    assert str(settings.egress_allow[0]) == "10.20.0.0/16"


def test_defaults_are_the_programs(helm, monkeypatch):
    """With the least of values every variable that the chart sets has the program's own default."""
    least = helm.objects("minimal", {"workers": {"all": {"enabled": True}}})
    variables = environment(least)["all"]
    own = {"NOTIFIER_BROKERS", "NOTIFIER_PARTNERS_FILE", *OWN_DEFAULTS}
    assert {name: variables[name] for name in OWN_DEFAULTS} == OWN_DEFAULTS
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    fields = Settings.model_fields
    differing = {
        name: getattr(settings, name.removeprefix(PREFIX).lower())
        for name in set(variables) - own
        if getattr(settings, name.removeprefix(PREFIX).lower())
        != fields[name.removeprefix(PREFIX).lower()].default
    }
    assert differing == {}


def test_settings_keys_are_variables_in_camel_case():
    """Each key under `settings` names its variable, and its comment does so too."""
    text = (CHART / "values.yaml").read_text("utf-8")
    for name in VALUES["settings"]:
        assert variable(name).removeprefix(PREFIX).lower() in Settings.model_fields
        assert f"# -- {variable(name)}: " in text


def test_numbers_and_lists_reach_the_program_whole(helm):
    """A large number has no exponent, a fraction keeps its digits, a list has commas, `false` is said."""
    values = {
        "settings": {
            "maxInFlight": 65536,
            "ladderScale": 0.0004,
            "egressAllow": ["10.0.0.0/8", "fd00::/8"],
        },
        "topics": {"partitions": 1000000},
    }
    variables = environment(helm.objects("minimal", values))["main"]
    assert variables["NOTIFIER_MAX_IN_FLIGHT"] == "65536"
    assert variables["NOTIFIER_TOPIC_PARTITIONS"] == "1000000"
    assert float(variables["NOTIFIER_LADDER_SCALE"]) == 0.0004
    assert variables["NOTIFIER_EGRESS_ALLOW"] == "10.0.0.0/8,fd00::/8"
    assert variables["NOTIFIER_ALLOW_HTTP"] == "false"


def test_a_component_may_have_a_user_of_its_own(rendered):
    """`kafka.users` gives one component another user and Secret; the others keep the common one."""
    variables = environment(rendered("scram"))
    users = {component: found["NOTIFIER_KAFKA_USER"] for component, found in variables.items()}
    assert users == {
        "main": "u",
        "retry": "u",
        "console": "viewer",
        "topics": "admin",
        "check": "u",
    }

    def secret(kind, suffix):
        (item,) = (
            o
            for o in rendered("scram")
            if o["kind"] == kind and o["metadata"]["name"].endswith(suffix)
        )
        volumes = {v["name"]: v for v in item["spec"]["template"]["spec"]["volumes"]}
        return volumes["kafka"]["projected"]["sources"][0]["secret"]["name"]

    assert secret("Job", "-topics") == "admin-pw"
    assert secret("Deployment", "-main") == "pw"


def test_chart_knows_how_long_a_stop_takes():
    """The seconds in the chart's inequality are the program's own constants."""
    text = (CHART / "templates" / "_checks.tpl").read_text("utf-8")

    def seconds(name):
        (number,) = re.findall(rf'define "payment-notifier.{name}Seconds" -}}}}(\d+)', text)
        return int(number)

    assert seconds("drain") == app.DRAIN_SECONDS
    assert seconds("commit") == commits.TIMEOUT_SECONDS


@pytest.mark.parametrize(
    ("url", "ingress", "told"),
    [
        ("", True, "https://notifier.example.com"),
        ("https://Notifier.example.com:8443", True, "https://Notifier.example.com:8443"),
        ("", False, None),
        ("http://10.0.0.7", False, "http://10.0.0.7"),
    ],
)
def test_the_console_behind_an_ingress_knows_that_it_is_reached_by_https(helm, url, ingress, told):
    """Else its cookie would lack Secure; another port before the Ingress is nothing against it."""
    console = {"url": url, "ingress": {"enabled": ingress}}
    variables = environment(helm.objects("full", {"console": console}))["console"]
    assert variables.get("NOTIFIER_CONSOLE_URL") == told
