"""Topics as custom resources, and scaling: the same numbers and names as the program's own."""

import pytest
from prometheus_client import generate_latest

from streams.kafka.topics import TopicNames, topic_specs
from streams.notification.profiles import TIERS
from streams.telemetry.metrics import Metrics


@pytest.mark.parametrize(("replication", "prefix"), [(3, "payment-notification"), (1, "EU_x.y")])
def test_strimzi_topics_are_those_that_the_program_makes(helm, replication, prefix):
    """Every KafkaTopic has the name, partitions, copies and configuration of `notifier topics create`."""
    values = {"topics": {"replication": replication, "prefix": prefix}}
    objects = [o for o in helm.objects("full", values) if o["kind"] == "KafkaTopic"]

    def text(value):
        return str(value).lower() if isinstance(value, bool) else str(value)

    rendered = {
        o["spec"]["topicName"]: (
            o["spec"]["partitions"],
            o["spec"]["replicas"],
            {name: text(value) for name, value in o["spec"]["config"].items()},
        )
        for o in objects
    }
    specs = topic_specs(TopicNames(prefix), TIERS, 24, replication)
    assert rendered == {
        spec.name: (spec.partitions, spec.replication, spec.config) for spec in specs
    }
    for item in objects:
        assert item["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert item["metadata"]["name"] == item["metadata"]["name"].lower()
        assert "_" not in item["metadata"]["name"]


def test_main_is_scaled_on_the_lag_of_each_topic_that_it_reads(rendered, named):
    """A trigger for each source topic and the replay topic, by name: without one KEDA would sum the tiers' lag, which is there by design."""
    scaled = named(rendered("full"), "ScaledObject", "-main")
    triggers = [trigger["metadata"] for trigger in scaled["spec"]["triggers"]]
    assert [t["topic"] for t in triggers] == [
        "payment-final-state",
        "payment-final-state.backfill",
        TopicNames("payment-notification").replay,
    ]
    assert {t["consumerGroup"] for t in triggers} == {"payment-notifier"}
    assert scaled["spec"]["minReplicaCount"] >= 1
    authentication = named(rendered("full"), "TriggerAuthentication", "-kafka")
    assert {trigger["authenticationRef"]["name"] for trigger in scaled["spec"]["triggers"]} == {
        authentication["metadata"]["name"]
    }


@pytest.mark.parametrize(
    ("common", "own", "expected"),
    [
        ("earliest", "latest", "latest"),
        ("latest", "earliest", "earliest"),
        ("latest", None, "latest"),
        ("latest", "2026-11-01T00:00:00Z", "earliest"),
    ],
)
def test_lag_is_counted_from_where_the_role_begins(helm, named, common, own, expected):
    """What `main` has of its own goes before `settings`, as for its program."""
    main = {"settings": {} if own is None else {"startFrom": own}}
    objects = helm.objects("full", {"settings": {"startFrom": common}, "workers": {"main": main}})
    triggers = named(objects, "ScaledObject", "-main")["spec"]["triggers"]
    assert {trigger["metadata"]["offsetResetPolicy"] for trigger in triggers} == {expected}


def test_a_backlog_that_cannot_be_measured_costs_no_pod(rendered, named):
    """Where KEDA can't ask Kafka or Prometheus, a role that was scaled up stays so: the fallback's number is a least one."""
    for role in ("main", "retry"):
        fallback = named(rendered("full"), "ScaledObject", f"-{role}")["spec"]["fallback"]
        assert fallback["behavior"] == "currentReplicasIfHigher"
        assert fallback["replicas"] >= 2


def test_retry_is_scaled_on_what_is_overdue(rendered, named):
    """The tiers' trigger asks for overdue notifications, a metric that a worker really has, and no lag."""
    scaled = named(rendered("full"), "ScaledObject", "-retry")
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["type"] == "prometheus"
    page = generate_latest(Metrics("0").registry).decode()
    assert "# TYPE notifier_overdue_notifications gauge" in page
    assert "sum(notifier_overdue_notifications{" in trigger["metadata"]["query"]
    assert 'pod=~"demo-payment-notifier-retry-.*"' in trigger["metadata"]["query"]


def test_scaled_workloads_leave_their_number_alone(rendered, named):
    """Where KEDA scales, the Deployment names no replicas, or every upgrade would reset them."""
    for role in ("main", "retry"):
        assert "replicas" not in named(rendered("full"), "Deployment", f"-{role}")["spec"]
        assert "replicas" in named(rendered("minimal"), "Deployment", f"-{role}")["spec"]
    assert "replicas" in named(rendered("scram"), "Deployment", "-retry")["spec"]


def test_scaled_object_names_its_deployment(rendered):
    """Each ScaledObject scales a Deployment that is there."""
    deployments = {o["metadata"]["name"] for o in rendered("full") if o["kind"] == "Deployment"}
    for item in rendered("full"):
        if item["kind"] == "ScaledObject":
            assert item["spec"]["scaleTargetRef"]["name"] in deployments


def _sources(item):
    spec = item["spec"]["template"]["spec"] if "template" in item["spec"] else item["spec"]
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "kafka")
    return volume["projected"]["sources"]


def test_each_way_in_has_its_files(helm, rendered, named):
    """A password, a client secret with its CA, or a token of the service account; none of them for AWS's identity."""
    paths = {
        path["path"]
        for source in _sources(named(rendered("full"), "Deployment", "-console"))
        for path in source["secret"]["items"]
    }
    assert paths == {
        "client-secret",
        "token-server-ca.pem",
        "ca.pem",
        "certificate.pem",
        "key.pem",
    }
    more = {"topics": {"job": {"enabled": True}, "strimzi": {"enabled": False}}}
    (token,) = (
        source["serviceAccountToken"]
        for source in _sources(named(helm.objects("full", more), "Job", "-topics"))
        if "serviceAccountToken" in source
    )
    assert token == {"audience": "kafka", "expirationSeconds": 3600, "path": "token"}
    check = named(rendered("full"), "Pod", "-check")
    assert not any("password" in str(source) for source in _sources(check))


def test_keda_has_a_way_in_of_its_own(helm, named):
    """With a TriggerAuthentication of the user's the chart makes none, and the trigger says what else it must."""
    values = {
        "keda": {
            "kafka": {"authentication": "mine", "triggerMetadata": {"saslTokenProvider": "bearer"}}
        }
    }
    objects = helm.objects("full", values)
    assert [o for o in objects if o["kind"] == "TriggerAuthentication"] == []
    for trigger in named(objects, "ScaledObject", "-main")["spec"]["triggers"]:
        assert trigger["authenticationRef"]["name"] == "mine"
        assert trigger["metadata"]["saslTokenProvider"] == "bearer"


def test_a_token_server_can_be_reached_by_every_component(rendered):
    """The console and the check need a token as well."""
    policies = [o for o in rendered("full") if o["kind"] == "NetworkPolicy"]
    assert len(policies) == 4
    for policy in policies:
        assert {
            "to": [{"ipBlock": {"cidr": "10.1.3.0/24"}}],
            "ports": [{"protocol": "TCP", "port": 8443}],
        } in policy["spec"]["egress"]
