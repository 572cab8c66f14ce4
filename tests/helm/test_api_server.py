"""The chart at a real API server, where its programs are at hand: what it takes, and who owns the number of replicas."""

import subprocess

import pytest

from tests.helm.api_server import PROGRAMS, programs, running
from tests.helm.custom_resources import SCHEMAS
from tests.helm.test_render import is_custom

DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The API server, which knows the custom resources' kinds by name; skips where its programs are missing."""
    if missing := set(PROGRAMS) - set(programs()):
        pytest.skip(
            f"no {', '.join(sorted(missing))} on the PATH or in KUBEBUILDER_ASSETS (setup-envtest, or docs/kubernetes.md)"
        )
    with running(tmp_path_factory.mktemp("api-server")) as found:
        for version, kind in SCHEMAS:
            group, _, name = version.partition("/")
            if name == "v1beta2":
                continue
            plural = f"{kind.lower()}s"
            schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            served = {"served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            found.create(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                {
                    "apiVersion": "apiextensions.k8s.io/v1",
                    "kind": "CustomResourceDefinition",
                    "metadata": {"name": f"{plural}.{group}"},
                    "spec": {
                        "group": group,
                        "scope": "Namespaced",
                        "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
                        "versions": [{"name": name} | served],
                    },
                },
            )
        namespace(found, "kafka")
        priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000}
        found.create(
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            priority | {"metadata": {"name": "payments"}},
        )
        yield found


def namespace(server, name):
    """Make a namespace that admits restricted pods only."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": name, "labels": labels}
    server.create(
        "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    )


def test_the_server_takes_every_object_and_pod(server, helm, rendered, case):
    """Helm installs each set of values, upgrades it to the same, and each pod is admitted where only restricted ones are."""
    namespace(server, case)
    for _ in range(2):
        assert "STATUS: deployed" in helm.upgrade(server.kubeconfig, case, namespace=case)
    stored = {item["metadata"]["name"] for item in server.get(DEPLOYMENTS.format(case))["items"]}
    pods = {}
    for item in rendered(case):
        if item["kind"] in {"Deployment", "Job", "Pod"}:
            pods[item["kind"], item["metadata"]["name"]] = (
                item if item["kind"] == "Pod" else item["spec"]["template"]
            )
    assert stored == {name for kind, name in pods if kind == "Deployment"}
    for pod in pods.values():
        content = {"apiVersion": "v1", "kind": "Pod", "spec": pod["spec"]}
        content["metadata"] = pod["metadata"] | {"name": "one", "namespace": case}
        server.create(f"/api/v1/namespaces/{case}/pods", content, dry_run=True)
    for item in rendered(case):
        if item["kind"] in {"Job", "NetworkPolicy"} and not is_custom(item):
            place = {"Job": "batch/v1", "NetworkPolicy": "networking.k8s.io/v1"}[item["kind"]]
            plural = {"Job": "jobs", "NetworkPolicy": "networkpolicies"}[item["kind"]]
            own = item | {"metadata": {"name": "another", "namespace": case}}
            server.create(f"/apis/{place}/namespaces/{case}/{plural}", own, dry_run=True)


def test_a_pod_that_is_not_restricted_is_refused(server, rendered, named):
    """The admission is in force: without its security context the same pod is turned away."""
    namespace(server, "refusing")
    pod = named(rendered("minimal"), "Deployment", "-main")["spec"]["template"]["spec"]
    content = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}
    content["spec"] = {name: part for name, part in pod.items() if name != "securityContext"}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        server.create("/api/v1/namespaces/refusing/pods", content, dry_run=True)


def test_replicas_go_to_keda_and_back(server, helm):
    """As docs/kubernetes.md says: handed over, nobody drops them; scaled, upgrades leave them alone; the way back takes them.

    Without the handing over Kubernetes sets one, and without `--force-conflicts` Helm leaves the autoscaler its number.
    """
    namespace(server, "scaled")
    path = DEPLOYMENTS.format("scaled") + "/demo-payment-notifier-main"

    def replicas():
        return server.get(path)["spec"]["replicas"]

    fixed = {"workers": {"main": {"replicas": 4}}}
    keda = {"workers": {"main": {"replicas": 4, "autoscaling": {"enabled": True}}}}

    def upgrade(values, **options):
        return helm.upgrade(server.kubeconfig, "minimal", values, namespace="scaled", **options)

    upgrade(fixed)
    assert replicas() == 4
    handed = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 4}}
    server.apply(path, handed | {"metadata": {"name": "demo-payment-notifier-main"}}, "handover")
    upgrade(keda)
    assert replicas() == 4
    server.scale(path, 9)
    upgrade(keda)
    assert replicas() == 9
    with pytest.raises(subprocess.CalledProcessError) as refused:
        upgrade(fixed)
    assert "conflict" in refused.value.stderr
    assert replicas() == 9
    upgrade(fixed, force_conflicts="")
    assert replicas() == 4
    upgrade(fixed | {"settings": {"maxInFlight": 64}})
    assert replicas() == 4


def test_replicas_that_are_not_handed_over_are_lost(server, helm):
    """Why the handing over is needed: who gives up the field alone has it set to 1."""
    namespace(server, "dropped")
    path = DEPLOYMENTS.format("dropped") + "/demo-payment-notifier-main"
    keda = {"workers": {"main": {"autoscaling": {"enabled": True}}}}
    for values, expected in (({}, 3), (keda, 1)):
        helm.upgrade(server.kubeconfig, "minimal", values, namespace="dropped")
        assert server.get(path)["spec"]["replicas"] == expected
