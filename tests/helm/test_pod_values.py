"""What platform teams ask of pods and Deployments, over the set of values `platform`, and umbrella charts."""

import copy
import re
import shutil

import pytest
import yaml

from tests.helm.helm import CHART
from tests.helm.test_pods import pod_specs

EVERYWHERE = {"main", "retry", "console", "topics", "check"}


@pytest.fixture(scope="module")
def pods(rendered):
    """Each component's pod, with metadata and spec."""
    found = {}
    for item in rendered("platform"):
        if item["kind"] in {"Deployment", "Job", "Pod"}:
            pod = item if item["kind"] == "Pod" else item["spec"]["template"]
            found[pod["metadata"]["labels"]["app.kubernetes.io/component"]] = pod
    assert set(found) == EVERYWHERE
    return found


def labels_of(node):
    """Return the labels of a composed document, as the text has them."""
    place = node
    for step in ("metadata", "labels"):
        (place,) = (value for key, value in place.value if key.value == step)
    return place


def environment(pod):
    """Return the variables of our container; fails where a name is there twice."""
    entries = pod["spec"]["containers"][0]["env"]
    names = [entry["name"] for entry in entries]
    assert len(names) == len(set(names))
    return {entry["name"]: entry["value"] for entry in entries}


def test_labels_and_annotations_reach_every_pod(pods):
    """A label policy and a mesh see the topics Job and the check too; each component may have other values."""
    for component, pod in pods.items():
        assert pod["metadata"]["labels"]["cost-centre"] == "4711"
        injected = "false" if component == "topics" else "true"
        assert pod["metadata"]["annotations"]["sidecar.istio.io/inject"] == injected
    assert pods["check"]["metadata"]["labels"]["tier"] == "test"
    assert pods["check"]["metadata"]["annotations"]["helm.sh/hook"] == "test"


def test_a_label_that_is_named_twice_is_there_once(helm):
    """A pod's own label wins over the common one, that over the chart's, and what selectors look for can't be changed."""
    values = {
        "commonLabels": {"team": "common", "app.kubernetes.io/part-of": "shop"},
        "pod": {"labels": {"team": "own", "app.kubernetes.io/name": "another"}},
    }
    for item in yaml.compose_all(helm.text("minimal", values)):
        names = [key.value for key, _ in labels_of(item).value]
        assert len(names) == len(set(names))
    for item in helm.objects("minimal", values):
        if item["kind"] == "Deployment":
            labels = item["spec"]["template"]["metadata"]["labels"]
            assert (labels["team"], labels["app.kubernetes.io/part-of"]) == ("own", "shop")
            assert item["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_extra_environment_reaches_every_pod_with_its_files(pods):
    """The topics Job and the check get `extraEnv` and the volumes that it names files of."""
    for pod in pods.values():
        assert environment(pod)["SSL_CERT_FILE"] == "/etc/company/ca.pem"
        (container,) = pod["spec"]["containers"]
        assert "/etc/company" in {mount["mountPath"] for mount in container["volumeMounts"]}
        assert "company-ca" in {volume["name"] for volume in pod["spec"]["volumes"]}


def test_extra_environment_wins_over_settings(pods):
    """A setting that `extraEnv` names is rendered once, with that value; the API server refuses a name that is there twice."""
    for pod in pods.values():
        assert environment(pod)["NOTIFIER_GIVE_UP_AFTER"] == "60h"


def test_a_roles_own_nothing_wins(pods):
    """0, false and an empty text of a role win over the common value, which Helm's own merge would keep."""
    own, common = environment(pods["main"]), environment(pods["console"])
    assert (own["NOTIFIER_LOG_SAMPLE"], own["NOTIFIER_TRACING"]) == ("0", "false")
    assert (common["NOTIFIER_LOG_SAMPLE"], common["NOTIFIER_TRACING"]) == ("0.5", "true")
    assert "topologySpreadConstraints" in pods["main"]["spec"]
    assert "topologySpreadConstraints" not in pods["retry"]["spec"]


def test_the_cluster_may_choose_the_user(pods):
    """With `randomUser` no pod names user, group or fsGroup, as OpenShift's restricted constraints demand; all else stays."""
    for pod in pods.values():
        assert pod["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "supplementalGroups": [2000],
        }
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_key_of_a_security_context_can_be_taken_out(helm, named):
    """null removes a key, for every pod or for a role."""
    values = {"workers": {"main": {"pod": {"securityContext": {"fsGroup": None}}}}}
    objects = helm.objects("minimal", values)
    contexts = {
        role: named(objects, "Deployment", f"-{role}")["spec"]["template"]["spec"][
            "securityContext"
        ]
        for role in ("main", "retry")
    }
    assert "fsGroup" not in contexts["main"]
    assert contexts["retry"]["fsGroup"] == contexts["main"]["runAsUser"]


def test_name_resolution_is_the_platforms(pods):
    """DNS options and host aliases reach every pod."""
    for pod in pods.values():
        assert pod["spec"]["dnsConfig"] == {"options": [{"name": "ndots", "value": "2"}]}
        assert pod["spec"]["hostAliases"] == [{"ip": "10.1.2.3", "hostnames": ["kafka"]}]


def test_init_containers_are_for_what_stays(pods):
    """Init containers run before workers and console, and not in the Job and the check, which must come to an end by themselves."""
    assert {name for name, pod in pods.items() if "initContainers" in pod["spec"]} == {
        "main",
        "retry",
        "console",
    }


def test_deployments_are_replaced_as_the_values_say(rendered, named):
    """Strategy, minReadySeconds, revisionHistoryLimit and annotations, common and of a role; the console keeps Recreate."""
    main, retry, console = (
        named(rendered("platform"), "Deployment", f"-{role}")
        for role in ("main", "retry", "console")
    )
    assert main["spec"]["strategy"] == {"type": "Recreate"}
    assert (main["spec"]["minReadySeconds"], main["spec"]["revisionHistoryLimit"]) == (0, 0)
    assert retry["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0},
    }
    assert (retry["spec"]["minReadySeconds"], retry["spec"]["revisionHistoryLimit"]) == (30, 5)
    assert retry["metadata"]["annotations"]["example.com/owner"] == "retries"
    assert console["spec"]["strategy"] == {"type": "Recreate"}
    assert console["spec"]["revisionHistoryLimit"] == 1
    for deployment in (main, retry, console):
        assert deployment["metadata"]["annotations"]["example.com/change"] == "4711"


def test_all_images_come_from_one_registry(rendered):
    """`global.imageRegistry` is put before the image of every pod, and its pull secrets are added to ours."""
    for spec in pod_specs(rendered("platform")).values():
        assert spec["containers"][0]["image"].startswith(
            "mirror.example.com/payments/payment-notifier:"
        )
        assert spec["imagePullSecrets"] == [{"name": "own"}, {"name": "mirror"}]


def test_a_change_of_partners_or_secrets_restarts_nothing(helm, rendered, case):
    """No pod template depends on what Secrets and the partners file hold, and Stakater's Reloader is told to leave every Deployment alone.

    It looks at the Deployment's annotations first, and at the pod's only where the Deployment has none of its own.
    """
    for item in rendered(case):
        if item["kind"] == "Deployment":
            assert item["metadata"]["annotations"]["reloader.stakater.com/auto"] == "false"
            # The mapping of events is read once, at a start: the one file whose change has to restart a pod.
            assert set(re.findall(r"checksum/\w+", str(item))) <= {"checksum/events"}
    if case == "single-role":
        objects = helm.objects(case, {"partners": {"inline": "partners: {}\n"}})
        changed = [new for old, new in zip(rendered(case), objects, strict=True) if old != new]
        assert [item["kind"] for item in changed] == ["ConfigMap"]


@pytest.mark.parametrize("enabled", [True, False])
def test_an_umbrella_chart_switches_it(helm, rendered, tmp_path, enabled):
    """As a dependency with the condition `payment-notifier.enabled` the chart is admitted, and renders all or nothing."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    dependency = {"name": chart["name"], "version": chart["version"]}
    umbrella = {
        "apiVersion": "v2",
        "name": "umbrella",
        "version": "1.0.0",
        "dependencies": [dependency | {"condition": "payment-notifier.enabled"}],
    }
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(umbrella), "utf-8")
    shutil.copytree(CHART, tmp_path / "charts" / chart["name"])
    values = yaml.safe_load((CHART / "ci/minimal-values.yaml").read_text("utf-8"))
    ours = copy.deepcopy(values) | {"enabled": enabled}
    rest = {"global": {"imageRegistry": "mirror.example.com"}}
    objects = helm.objects({"payment-notifier": ours} | rest, chart=tmp_path)
    names = {(item["kind"], item["metadata"]["name"]) for item in objects}
    alone = {(item["kind"], item["metadata"]["name"]) for item in rendered("minimal")}
    assert names == (alone if enabled else set())
