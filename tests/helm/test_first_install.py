"""The first install of docs/kubernetes.md: what it applies is valid, and its parts fit each other."""

import re

import pytest
import yaml

from tests.helm.custom_resources import SCHEMAS
from tests.helm.helm import CHART
from tests.helm.test_network_policy import allows, policy


@pytest.fixture(scope="module")
def page():
    """The section's text."""
    text = (CHART.parents[1] / "docs/kubernetes.md").read_text("utf-8")
    (section,) = re.findall(r"^## A first install.*?(?=^## )", text, re.MULTILINE | re.DOTALL)
    return section


@pytest.fixture(scope="module")
def kafka(page):
    """Strimzi's resources, by kind."""
    (text,) = re.findall(r"kubectl -n kafka apply -f - <<'YAML'\n(.*?)\nYAML", page, re.DOTALL)
    return {item["kind"]: item for item in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def values(page):
    """The values of the install."""
    (text,) = re.findall(r"cat > rehearsal-values.yaml <<'YAML'\n(.*?)\nYAML", page, re.DOTALL)
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def objects(helm, values):
    """What the chart makes of them."""
    return helm.objects(values)


def test_what_it_installs_is_valid(objects, kubernetes):
    """Helm takes the values, and the newest Kubernetes every object of them."""
    version = kubernetes.latest_version()
    for item in objects:
        assert version.startswith(kubernetes.validate(item, version, strict=True))


def test_kafka_is_the_one_that_is_named(kafka, values, jsonschema):
    """Bootstrap server, listener, cluster labels, partitions and copies agree."""
    name = kafka["Kafka"]["metadata"]["name"]
    (listener,) = kafka["Kafka"]["spec"]["kafka"]["listeners"]
    server = f"{name}-kafka-bootstrap.kafka:{listener['port']}"
    assert values["kafka"]["bootstrapServers"] == server
    for kind in ("KafkaNodePool", "KafkaTopic"):
        assert kafka[kind]["metadata"]["labels"] == {"strimzi.io/cluster": name}
    topic = kafka["KafkaTopic"]
    assert topic["spec"]["partitions"] == values["topics"]["partitions"]
    assert topic["spec"]["replicas"] == kafka["KafkaNodePool"]["spec"]["replicas"] == 1
    jsonschema.validate(
        topic["spec"] | {"topicName": "t", "config": {}},
        SCHEMAS["kafka.strimzi.io/v1", "KafkaTopic"]["properties"]["spec"],
    )


def test_the_partner_stands_beside_the_worker(page, objects, named):
    """The worker may call the port on which the sidecar listens, and both see the keys where the partners file names them."""
    deployment = named(objects, "Deployment", "-all")
    pod = deployment["spec"]["template"]["spec"]
    worker, partner = pod["containers"]
    directory, port = partner["args"][3], partner["args"][5]
    assert f"sandbox partner --directory {directory} --port {port}" in page
    assert f"https://127.0.0.1:{port}" in page
    for container in (worker, partner):
        assert container["image"] == "payment-notifier:dev"
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts[f"{directory}/keys"] == "keys"
    env = {entry["name"]: entry["value"] for entry in worker["env"]}
    assert env["NOTIFIER_EGRESS_ALLOW"] == "127.0.0.0/8"
    assert allows(policy(objects, "all"), "127.0.0.1", 443)
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {"keys", "rehearsal", "partners"} <= volumes


def test_every_secret_is_made_before_it_is_used(page, objects):
    """Each Secret that a pod mounts is one that the page creates."""
    made = set(re.findall(r"create secret generic (\S+)", page))
    used = set(re.findall(r"'(?:secretName|name)': '(rehearsal-\w+)'", str(objects)))
    assert used == made
