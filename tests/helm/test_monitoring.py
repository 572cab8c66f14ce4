"""Rules and dashboards as the chart ships them: the very files that are tested, judged by promtool once more."""

import shutil
import subprocess

import pytest
import yaml

from tests.helm.helm import CHART
from tests.support.waiting import TIMEOUT_SECONDS

RULES = sorted(CHART.glob("files/rules/*.yaml"))


def rules_of(objects):
    """Return the groups of every PrometheusRule, by the file that it came from."""
    return {
        o["metadata"]["name"].removeprefix("demo-payment-notifier-"): o["spec"]["groups"]
        for o in objects
        if o["kind"] == "PrometheusRule"
    }


def test_promtool_accepts_the_rendered_rules(rendered, tmp_path):
    """promtool finds nothing wrong with any rendered rule."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: apt-get install --no-install-recommends prometheus")
    groups = [group for found in rules_of(rendered("full")).values() for group in found]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": groups}), "utf-8")
    done = subprocess.run(  # noqa: S603  # promtool
        [promtool, "check", "rules", "--lint=all", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    count = sum(len(group["rules"]) for group in groups)
    assert f"{count} rules found" in done.stdout


def test_an_alert_can_be_left_out(helm):
    """`prometheusRule.disabled` takes an alert away and nothing else."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    names = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    objects = helm.objects("full", {"prometheusRule": {"disabled": [names[0]]}})
    left = [
        rule["alert"]
        for found in rules_of(objects).values()
        for group in found
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert sorted(left) == sorted(name for name in names if name != names[0])


def test_runbooks_get_the_address_where_they_are_served(helm):
    """With `runbookBaseUrl` every alert links to its page there, under the alert's own name."""
    base = "https://wiki.example.com/notifier/"
    objects = helm.objects("full", {"prometheusRule": {"runbookBaseUrl": base}})
    alerts = [
        rule
        for found in rules_of(objects).values()
        for group in found
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert alerts
    for rule in alerts:
        assert rule["annotations"]["runbook_url"] == f"{base}{rule['alert']}.md"


@pytest.mark.parametrize(
    ("values", "kind", "endpoints"),
    [("full", "PodMonitor", "podMetricsEndpoints"), ("platform", "ServiceMonitor", "endpoints")],
)
def test_monitor_scrapes_ports_that_pods_have(rendered, named, values, kind, endpoints):
    """The monitor's endpoints are all ports of our pods but the one for browsers, and its selector finds them."""
    objects = rendered(values)
    monitor = named(objects, kind)
    ports = {
        port["name"]
        for o in objects
        if o["kind"] == "Deployment"
        for container in o["spec"]["template"]["spec"]["containers"]
        for port in container["ports"]
    }
    assert {endpoint["port"] for endpoint in monitor["spec"][endpoints]} == ports - {"console"}
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    if kind == "ServiceMonitor":
        (service,) = (
            o
            for o in objects
            if o["kind"] == "Service" and wanted <= o["metadata"]["labels"].items()
        )
        assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == (
            "None",
            True,
        )
        assert {p["name"]: p["targetPort"] for p in service["spec"]["ports"]} == {
            name: name for name in ports - {"console"}
        }
        wanted = service["spec"]["selector"].items()
    for o in objects:
        if o["kind"] == "Deployment":
            assert wanted <= o["spec"]["template"]["metadata"]["labels"].items()


def test_the_consoles_service_does_not_lead_to_its_metrics(rendered, named):
    """The Ingress ends at the console's own port; metrics have another one, which the program is told."""
    objects = rendered("full")
    (port,) = named(objects, "Service", "-console")["spec"]["ports"]
    assert port["targetPort"] == "console"
    (container,) = named(objects, "Deployment", "-console")["spec"]["template"]["spec"][
        "containers"
    ]
    ports = {entry["name"]: str(entry["containerPort"]) for entry in container["ports"]}
    told = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert told["NOTIFIER_CONSOLE_PORT"] == ports["console"]
    assert told["NOTIFIER_CONSOLE_METRICS_PORT"] == ports["metrics"] != ports["console"]
