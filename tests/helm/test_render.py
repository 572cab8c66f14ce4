"""The chart over a matrix of values: lint, schemas of three Kubernetes versions, custom resources, determinism."""

import copy
from collections import Counter
from importlib.metadata import version as version_of

import pytest

from tests.helm.conftest import MATRIX
from tests.helm.custom_resources import SCHEMAS

NEWEST = version_of("kubernetes-validate")
VERSIONS = tuple(f"1.{int(NEWEST.split('.')[1]) - age}" for age in range(3))
"""The newest Kubernetes and the two before it."""


CUSTOM = {
    "full": {
        "ScaledObject": 2,
        "TriggerAuthentication": 1,
        "PodMonitor": 1,
        "KafkaTopic": 18,
        "ExternalSecret": 2,
    },
    "minimal": {},
    "platform": {"ServiceMonitor": 1},
    "scram": {"ScaledObject": 1, "TriggerAuthentication": 1, "PodMonitor": 1},
    "single-role": {},
}
"""How many custom resources each set of values makes, but for PrometheusRules, of which there is one for each file."""


def is_custom(item):
    """Tell whether an object is of a kind that Kubernetes itself does not know."""
    group = item["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def test_matrix_is_known():
    """Every set of values has its line in the count of custom resources."""
    assert set(MATRIX) == set(CUSTOM)


def test_lint_is_clean(helm, case):
    """`helm lint --strict` finds nothing, whatever is switched on."""
    assert "0 chart(s) failed" in helm.lint(case)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_every_object(kubernetes, rendered, case, version):
    """Every built-in object is valid, unknown fields refused, on the newest Kubernetes and the two before it."""
    checked = 0
    for item in rendered(case):
        if not is_custom(item):
            assert kubernetes.validate(item, version, strict=True) == version
            checked += 1
    assert checked >= 4


def test_the_newest_kubernetes_is_among_them(kubernetes):
    """The schemas that are installed have the version that they say."""
    assert kubernetes.latest_version() == NEWEST


def test_a_slip_in_a_field_is_found(kubernetes, rendered, named):
    """The schemas are really applied: a misspelt field of a pod is refused."""
    deployment = copy.deepcopy(named(rendered("minimal"), "Deployment", "-main"))
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["securityContext"]["readOnlyRootFS"] = True
    with pytest.raises(kubernetes.ValidationError, match="readOnlyRootFS"):
        kubernetes.validate(deployment, NEWEST, strict=True)


def test_custom_resources_are_valid_and_counted(jsonschema, rendered, case):
    """Every custom resource is validated, none skipped, and there are as many as the values ask for."""
    seen: Counter[str] = Counter()
    for item in filter(is_custom, rendered(case)):
        jsonschema.validate(
            item,
            SCHEMAS[item["apiVersion"], item["kind"]],
            cls=jsonschema.Draft202012Validator,
        )
        seen[item["kind"]] += 1
    del seen["PrometheusRule"]
    assert seen == CUSTOM[case]


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("ScaledObject", ("spec", "minReplicas"), 2),
        ("ScaledObject", ("spec", "minReplicaCount"), 0),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "scrapeIntervall"), "15s"),
        ("KafkaTopic", ("spec", "partitions"), "12"),
        ("ExternalSecret", ("spec", "target", "creationPolicy"), "owner"),
    ],
)
def test_a_slip_in_a_custom_resource_is_found(jsonschema, rendered, kind, path, value):
    """The schemas of custom resources refuse a misspelt field and a value of another type."""
    item = copy.deepcopy(next(o for o in rendered("full") if o["kind"] == kind))
    schema = SCHEMAS[item["apiVersion"], kind]
    *way, last = path
    place = item
    for step in way:
        place = place[step]
    place[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(item, schema)


def test_rendering_is_deterministic(helm, case):
    """The same values give the same bytes, so that an upgrade restarts nothing by itself."""
    assert helm.text(case) == helm.text(case)


def test_oldest_supported_kubernetes_renders(helm):
    """The chart renders on the oldest version that Chart.yaml admits, and refuses the one before."""
    assert helm.objects("full", arguments=["--kube-version", "1.29.0"])
    with pytest.raises(Exception, match="returned non-zero exit status"):
        helm.objects("full", arguments=["--kube-version", "1.28.15"])


def test_names_meet_the_limits(helm):
    """With the longest release name every object's name stays within 63 characters, a Service's limit."""
    long = {"fullnameOverride": "n" * 80}
    objects = helm.objects("full", long)
    ours = [item for item in objects if "n" * 20 in item["metadata"]["name"]]
    assert len(ours) > 10
    assert max(len(item["metadata"]["name"]) for item in ours) <= 63


def test_every_object_is_labelled_and_placed(rendered, case):
    """Every object has the recommended labels and a namespace."""
    for item in rendered(case):
        if item["metadata"]["name"] == "extra":  # the user's own
            continue
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "demo"
        assert {"app.kubernetes.io/name", "app.kubernetes.io/version", "helm.sh/chart"} <= set(
            labels
        )
        assert item["metadata"]["namespace"] in {"payments", "kafka"}


def test_no_two_objects_are_the_same(rendered, case):
    """No object is rendered twice."""
    keys = [
        (o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in rendered(case)
    ]
    assert [key for key, times in Counter(keys).items() if times > 1] == []


def test_without_hooks_everything_but_the_topics_job_is_there(helm, rendered):
    """`--no-hooks`, the way to upgrade while Kafka is away, leaves out the Job with its account and policy, and the check."""
    left = helm.objects("minimal", arguments=["--no-hooks"])
    hooks = [o for o in rendered("minimal") if "helm.sh/hook" in str(o["metadata"])]
    assert {(o["kind"], o["metadata"]["name"].rpartition("-")[2]) for o in hooks} == {
        ("Job", "topics"),
        ("NetworkPolicy", "topics"),
        ("ServiceAccount", "topics"),
        ("Pod", "check"),
    }
    assert left == [o for o in rendered("minimal") if o not in hooks]
