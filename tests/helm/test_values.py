"""The values: what is refused, and that each is written down."""

import json
import re
import tomllib

import pytest
import yaml

from tests.helm.helm import CHART

VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
FREE = re.compile(
    r"(annotations|[lL]abels|nodeSelector|affinity|requests|limits|global|extensions|triggerMetadata)$"
    r"|\.(settings|pod|deployment)$|([sS]ecurityContext|dnsConfig|strategy|alerts)$"
)
"""Maps whose keys are the user's; Kubernetes, or the schema that they refer to, judges them."""


def resolve(schema):
    """Follow a reference."""
    return SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def closed_objects(schema, path=""):
    """Return the path of every object whose keys are listed."""
    schema = resolve(schema)
    found = [path] if schema.get("additionalProperties") is False else []
    for name, part in schema.get("properties", {}).items():
        found += closed_objects(part, f"{path}.{name}".lstrip("."))
    return found


def keys(values, path=""):
    """Return the path of every value."""
    for name, value in values.items():
        here = f"{path}.{name}".lstrip(".")
        yield here
        if isinstance(value, dict) and value and not FREE.search(here):
            yield from keys(value, here)


def at(path, value):
    """Return values with one value at this path."""
    for name in reversed(path.split(".") if path else []):
        value = {name: value}
    return value


@pytest.mark.parametrize("path", closed_objects(SCHEMA))
def test_an_unknown_key_is_refused_everywhere(path, jsonschema):
    """A misspelt key breaks the schema, at every level of the values."""
    (fault, *_) = jsonschema.Draft202012Validator(SCHEMA).iter_errors(at(path, {"replicsa": 3}))
    assert "replicsa" in fault.message
    assert fault.validator == "additionalProperties"


@pytest.mark.parametrize("path", ["", "workers.main.autoscaling", "networkPolicy.kafka"])
def test_helm_applies_the_schema(helm, path):
    """A misspelt key stops the install, at the top and far below it."""
    said = helm.refusal("minimal", at(path, {"replicsa": 3}))
    assert "replicsa" in said
    assert "additional properties" in said.lower()


def test_schema_lists_exactly_the_values():
    """Every key of values.yaml is in the schema, and every key of the schema has its default in values.yaml."""
    ours = set(keys(VALUES))

    def listed(schema, path=""):
        for name, part in resolve(schema).get("properties", {}).items():
            here = f"{path}.{name}".lstrip(".")
            yield here
            free = FREE.search(here) and here not in {"settings", "pod"}
            if not free:
                yield from listed(part, here)

    probes = re.compile(r"^probes\.\w+\.|^global$|\.claims$|^kafka\.users\.")
    assert {path for path in listed(SCHEMA) if not probes.search(path)} == {
        path for path in ours if not probes.search(path)
    }


def test_every_value_is_explained():
    """Every value has a comment that becomes its line in the chart's README."""
    readme = (CHART / "README.md").read_text("utf-8")
    explained = set(re.findall(r"^\| `([\w.]+)` \|", readme, re.MULTILINE))

    def ends(values, path=""):
        for name, value in values.items():
            here = f"{path}.{name}".lstrip(".")
            if isinstance(value, dict) and value and here not in explained:
                yield from ends(value, here)
            else:
                yield here

    assert [path for path in ends(VALUES) if path not in explained] == []


def test_an_install_says_what_to_do_next(helm, case):
    """A dry run of the install passes, and ends with how to check it and where things are."""
    notes = helm.notes(case)
    assert "helm test demo --namespace payments --logs" in notes
    assert "a new password or certificate for Kafka are used" in notes
    assert ("port-forward" in notes) == (
        "console" in (CHART / "ci" / f"{case}-values.yaml").read_text()
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"networkPolicy": {"enabled": False}}, "WARNING: there is no NetworkPolicy"),
        ({}, "WARNING: neither podMonitor nor serviceMonitor, or no prometheusRule, is enabled"),
        ({}, "WARNING: notifications travel to Kafka in the clear (PLAINTEXT)"),
        ({"settings": {"ladderScale": 0.5}}, "WARNING: ladderScale is 0.5"),
        ({"topics": {"job": {"enabled": False}}}, "run `notifier topics create`"),
    ],
)
def test_an_install_warns(helm, values, words):
    """What is not protected, watched or real is said after the install."""
    assert words in helm.notes("minimal", values)


def test_a_complete_install_warns_of_nothing(helm):
    """With policies, monitoring and TLS there is no warning."""
    assert "WARNING" not in helm.notes("full")


def test_a_service_monitor_is_monitoring_too(helm):
    """Of the two kinds either will do."""
    watched = {"podMonitor": {"enabled": False}, "serviceMonitor": {"enabled": True}}
    assert "WARNING" not in helm.notes("full", watched)


def test_chart_and_program_have_one_version():
    """The chart installs the version of the program that it stands beside."""
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == project["version"]


def test_links_of_the_charts_readme_lead_somewhere():
    """Every relative link of the chart's README is a file of the repository."""
    readme = (CHART / "README.md").read_text("utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", readme)
    assert targets
    assert [target for target in targets if not (CHART / target).resolve().is_file()] == []
