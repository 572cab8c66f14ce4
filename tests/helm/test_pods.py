"""What every pod of the chart must be: restricted, without a token, stoppable, spread out."""

import json
import re

import pytest
import yaml

from tests.helm.helm import CHART
from tests.image.container import UID


def pod_specs(objects):
    """Return the pod spec of every workload, Job and test, by kind and component."""
    found = {}
    for item in objects:
        if item["kind"] in {"Deployment", "StatefulSet", "Job", "Pod"}:
            spec = item["spec"] if item["kind"] == "Pod" else item["spec"]["template"]["spec"]
            found[item["kind"], item["metadata"]["labels"]["app.kubernetes.io/component"]] = spec
    return found


def test_pod_security_is_restricted(rendered, case):
    """Every pod meets the restricted Pod Security Standard and more: fixed uid, read-only root, no token, no links."""
    specs = pod_specs(rendered(case))
    assert len(specs) >= 3
    for spec in specs.values():
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True
        if case == "platform":  # the cluster chooses
            assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(pod)
        else:
            assert (pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]) == (UID, UID, UID)
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for container in spec["containers"]:
            least = {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert least.items() <= container["securityContext"].items()
            assert "hostPort" not in json.dumps(container.get("ports", []))
        assert not any("hostPath" in volume for volume in spec["volumes"])


def test_nothing_may_be_written_but_what_is_named(rendered, case):
    """The only writable places are /tmp and the console's database; everything else is mounted read-only."""
    for (_, component), spec in pod_specs(rendered(case)).items():
        (container,) = spec["containers"]
        writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
        own = {"/var/lib/payment-notifier"} if component == "console" else set()
        assert writable == {"/tmp"} | own  # noqa: S108  # an emptyDir
        # A subPath mount never follows a change.
        assert "subPath" not in json.dumps(container["volumeMounts"])
        for volume in spec["volumes"]:
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""})


def test_no_secret_is_in_the_environment_or_made_by_the_chart(rendered, case):
    """Secrets are files by reference: none in the environment, and no Secret object of ours."""
    assert not [item for item in rendered(case) if item["kind"] == "Secret"]
    for spec in pod_specs(rendered(case)).values():
        for container in spec["containers"]:
            assert all(set(entry) == {"name", "value"} for entry in container["env"])
            assert "envFrom" not in container


def test_secret_files_are_for_the_group_only(rendered):
    """Every mounted Secret has mode 0440: readable through fsGroup, not by others."""
    for spec in pod_specs(rendered("full")).values():
        volumes = [v.get("projected") or v.get("secret") for v in spec["volumes"]]
        assert {volume["defaultMode"] for volume in volumes if volume} == {0o440}


def test_partners_file_and_keys_are_one_volume(rendered, named):
    """The partners file and the keys stand in one folder that changes in one step."""
    deployment = named(rendered("full"), "Deployment", "-main")
    (volume,) = (
        v for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "partners"
    )
    names = [source["secret"]["name"] for source in volume["projected"]["sources"]]
    assert names == ["partners", "notifier-keys", "partner-keys"]


def test_probes_differ_and_ask_the_right_thing(rendered, case):
    """Startup and liveness ask whether it lives, readiness whether it is ready, at the port of the role."""
    for (kind, component), spec in pod_specs(rendered(case)).items():
        (container,) = spec["containers"]
        if kind != "Deployment":
            assert not any(name.endswith("Probe") for name in container)
            continue
        port = "console" if component == "console" else "web"
        assert container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": port}
        assert container["startupProbe"]["httpGet"] == {"path": "/health/live", "port": port}
        assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": port}
        assert port in {entry["name"] for entry in container["ports"]}
        start = container["startupProbe"]
        assert start["periodSeconds"] * start["failureThreshold"] >= 120


def test_commands_are_those_of_the_program(rendered):
    """Each container's arguments are a command that `notifier` has."""
    from streams.cli import SUBCOMMANDS  # noqa: PLC0415  # only here

    for spec in pod_specs(rendered("full")).values():
        for container in spec["containers"]:
            assert "command" not in container  # the image's entry point
            assert container["args"][0] in SUBCOMMANDS


def test_requests_and_limits_are_set(rendered, case):
    """Every container asks for CPU, memory and disk, and has a limit of memory and disk, but none of CPU."""
    for spec in pod_specs(rendered(case)).values():
        for container in spec["containers"]:
            assert set(container["resources"]["requests"]) == {"cpu", "memory", "ephemeral-storage"}
            assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}


def test_selectors_hold_only_what_never_changes(rendered, case):
    """Selectors have name, instance and component, so that an upgrade never has to change one."""
    for item in rendered(case):
        if item["kind"] == "Deployment":
            selector = item["spec"]["selector"]["matchLabels"]
            assert set(selector) == {
                f"app.kubernetes.io/{label}" for label in ("name", "instance", "component")
            }
            labels = item["spec"]["template"]["metadata"]["labels"]
            assert selector.items() <= labels.items()


def test_rollouts_keep_the_capacity(rendered, named):
    """A rollout of workers adds a pod before it takes one; the console has one at a time."""
    for role in ("main", "retry"):
        deployment = named(rendered("full"), "Deployment", f"-{role}")
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {
            "maxSurge": 1,
            "maxUnavailable": 0,
        }
    console = named(rendered("full"), "Deployment", "-console")
    assert (console["spec"]["replicas"], console["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_pods_of_a_role_spread(rendered, named):
    """Pods of a role spread over zones and nodes by the role's own labels; a role's own choice wins."""
    for role, strictly in (("main", "ScheduleAnyway"), ("retry", "DoNotSchedule")):
        deployment = named(rendered("full"), "Deployment", f"-{role}")
        constraints = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert [c["topologyKey"] for c in constraints] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        for constraint in constraints:
            assert constraint["whenUnsatisfiable"] == strictly
            assert constraint["labelSelector"] == deployment["spec"]["selector"]
    alone = named(rendered("single-role"), "Deployment", "-all")
    assert "topologySpreadConstraints" not in alone["spec"]["template"]["spec"]


def test_disruption_budgets_never_block_a_drain(rendered):
    """One pod of a role may always go, an unready one at any time: nodes can be drained during a broker outage."""
    budgets = [o for o in rendered("minimal") if o["kind"] == "PodDisruptionBudget"]
    assert len(budgets) == 2
    for budget in budgets:
        assert budget["spec"]["maxUnavailable"] == 1
        assert "minAvailable" not in budget["spec"]
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_image_is_never_a_moving_one(rendered, helm):
    """The tag is the chart's version unless a digest is given, which wins; `latest` is refused."""

    def images(case):
        specs = pod_specs(rendered(case)).values()
        return {container["image"] for spec in specs for container in spec["containers"]}

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert images("minimal") == {f"payment-notifier:{chart['appVersion']}"}
    (pinned,) = images("full")
    assert re.fullmatch(r"registry\.example\.com/payment-notifier@sha256:a{64}", pinned)
    assert "latest" in helm.refusal(
        "minimal", {"image": {"tag": "latest"}}
    ) or "tag" in helm.refusal("minimal", {"image": {"tag": "latest"}})


def test_topics_job_needs_nothing_of_the_release(rendered):
    """The Job that makes topics runs before everything: account and policy are hooks too, and no partners file is asked for."""
    hooks = [
        item
        for item in rendered("minimal")
        if "pre-install" in item["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    ]
    assert sorted(item["kind"] for item in hooks) == ["Job", "NetworkPolicy", "ServiceAccount"]
    weights = {o["kind"]: int(o["metadata"]["annotations"]["helm.sh/hook-weight"]) for o in hooks}
    assert weights["Job"] > max(weights["NetworkPolicy"], weights["ServiceAccount"])
    (job,) = (item for item in hooks if item["kind"] == "Job")
    spec = job["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"] == ["topics", "create"]
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]
    assert spec["serviceAccountName"] in {o["metadata"]["name"] for o in hooks}


@pytest.mark.parametrize(
    ("grace", "sleep", "fits"), [(32, 0, True), (31, 0, False), (36, 5, False), (37, 5, True)]
)
def test_grace_must_be_longer_than_a_stop(helm, grace, sleep, fits):
    """The chart refuses a grace period in which a worker could not drain, and says what it would take."""
    values = {"shutdown": {"gracePeriodSeconds": grace, "preStopSleepSeconds": sleep}}
    if fits:
        assert helm.objects("minimal", values)
    else:
        said = helm.refusal("minimal", values)
        assert f"shutdown.gracePeriodSeconds: seen {grace}, expected more than {31 + sleep}" in said


def test_the_console_gets_no_key(rendered, named):
    """What serves browsers signs nothing: its pod sees the partners file and none of the key Secrets, the workers' do."""
    objects = rendered("full")
    held = {}
    for suffix in ("-main", "-console"):
        volumes = named(objects, "Deployment", suffix)["spec"]["template"]["spec"]["volumes"]
        (partners,) = [volume for volume in volumes if volume["name"] == "partners"]
        held[suffix] = partners["projected"]["sources"]
    assert len(held["-console"]) == 1
    assert held["-main"][0] == held["-console"][0]
    assert len(held["-main"]) > 1


def test_the_event_mapping_stands_in_a_volume_and_its_change_restarts_pods(helm):
    """It is read at the start; the registry's secrets are files beside it, and the Job that makes topics has neither."""
    objects = helm.objects("full")
    (mapping,) = [item for item in objects if "mapping.yaml" in item.get("data", {})]
    for item in objects:
        if item["kind"] != "Deployment":
            continue
        template = item["spec"]["template"]
        (volume,) = [v for v in template["spec"]["volumes"] if v["name"] == "events"]
        sources = volume["projected"]["sources"]
        assert [next(iter(source)) for source in sources] == ["configMap", "secret", "secret"]
        assert sources[0]["configMap"]["name"] == mapping["metadata"]["name"]
        paths = [entry["path"] for source in sources[1:] for entry in source["secret"]["items"]]
        assert paths == ["password", "registry-ca.pem"]
        before = template["metadata"]["annotations"]["checksum/events"]
        changed = helm.objects("full", {"events": {"mapping": "topics: {}"}})
        (same,) = [
            i for i in changed if i["metadata"] == item["metadata"] and i["kind"] == item["kind"]
        ]
        assert same["spec"]["template"]["metadata"]["annotations"]["checksum/events"] != before
    minimal = helm.objects(
        "minimal", {"topics": {"job": {"enabled": True}}, "events": {"existingConfigMap": "events"}}
    )
    (job,) = [item for item in minimal if item["kind"] == "Job"]
    pod = job["spec"]["template"]["spec"]
    assert "events" not in {volume["name"] for volume in pod["volumes"]}
    assert not [e for e in pod["containers"][0]["env"] if e["name"] == "NOTIFIER_EVENT_MAPPING"]
