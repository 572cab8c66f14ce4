"""Rules and dashboards of a release: the files that are tested, over this release's series, with the values' thresholds."""

import copy
import json
import re
import shutil
import subprocess

import promql_parser as promql
import pytest
import yaml

from tests.helm.helm import CHART
from tests.helm.test_monitoring import RULES, rules_of
from tests.monitoring.queries import STAND_INS
from tests.support.waiting import TIMEOUT_SECONDS

DASHBOARDS = sorted(CHART.glob("files/dashboards/*.json"))
PODS = "demo-payment-notifier-(main|retry|all|console)-.+"
SERIES = f'namespace="payments",pod=~"{PODS}"'
RECORDED = 'namespace="payments",release="demo"'
THRESHOLDS = yaml.safe_load((CHART / "files/thresholds.yaml").read_text("utf-8"))


def without_scope(expression):
    """Return an expression as it stands in the file."""
    for scope in (SERIES, RECORDED):
        expression = expression.replace(f"{{{scope},", "{").replace(f"{{{scope}}}", "")
    return expression


def unscoped(expression):
    """Return the selectors of an expression that could match another release's series."""
    for variable, value in STAND_INS.items():
        expression = expression.replace(variable, value)
    parts: list[object] = []
    promql.walk(promql.parse(expression), parts.append)
    found = []
    for part in parts:
        if isinstance(part, promql.VectorSelector):
            matchers = {(m.name, m.value) for m in part.matchers.matchers}
            own = ("release", "demo") if str(part.name).startswith("notifier:") else ("pod", PODS)
            if not {("namespace", "payments"), own} <= matchers:
                found.append(part.name)
    return found


def alerts_of(objects):
    """Return every rendered alert."""
    groups = [group for found in rules_of(objects).values() for group in found]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_rules_are_the_files_over_this_release(rendered):
    """There is a PrometheusRule for each file, with the same rules, every selector of which names the release."""
    files = {path.stem: yaml.safe_load(path.read_text("utf-8"))["groups"] for path in RULES}
    shipped = copy.deepcopy(rules_of(rendered("full")))
    for group in (group for groups in shipped.values() for group in groups):
        for rule in group["rules"]:
            assert unscoped(rule["expr"]) == []
            rule["expr"] = without_scope(rule["expr"])
            assert rule["labels"].pop("release") == "demo"
            if not rule["labels"]:
                del rule["labels"]
    assert shipped == files


def test_dashboards_are_the_files_over_this_release(rendered):
    """There is a ConfigMap for each dashboard, labelled for Grafana, with the same panels over the release's series."""
    shipped = {
        name: json.loads(text)
        for o in rendered("full")
        if o["kind"] == "ConfigMap" and "grafana_dashboard" in o["metadata"].get("labels", {})
        for name, text in o["data"].items()
    }
    files = {path.name: json.loads(path.read_text("utf-8")) for path in DASHBOARDS}
    for name, page in shipped.items():
        targets = [target for panel in page["panels"] for target in panel.get("targets", [])]
        assert [target["expr"] for target in targets if unscoped(target["expr"])] == []
        for target in targets:
            target["expr"] = without_scope(target["expr"])
        for variable in page["templating"]["list"]:
            assert SERIES in variable["query"] or variable["type"] == "datasource"
            variable["query"] = without_scope(variable["query"])
        assert re.fullmatch(rf"{files[name]['uid']}-[0-9a-f]{{8}}", page["uid"])
        assert len(page["uid"]) <= 40  # Grafana's limit
        assert page["title"] == f"{files[name]['title']} (payments/demo)"
        page |= {member: files[name][member] for member in ("uid", "title")}
    assert shipped == files


def test_two_releases_share_a_prometheus(helm, rendered, tmp_path):
    """What one release suffers is said of it alone, what it records is its own, and one that is gone is missed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: apt-get install --no-install-recommends prometheus")
    other = helm.objects("full", release="second")
    groups = []
    for objects in (rendered("full"), other):
        for group in (g for found in rules_of(objects).values() for g in found):
            own = {"prometheusrule": objects[0]["metadata"]["labels"]["app.kubernetes.io/instance"]}
            groups.append(group | {"name": f"{own['prometheusrule']}-{group['name']}"})
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}), "utf-8")
    worker = 'namespace="payments",job="pods",pod="demo-payment-notifier-main-5b-x"'
    lag = "notifier_dispatch_lag_seconds"
    series = {
        f"notifier_build_info{{{worker}}}": "1x60",
        f"notifier_config_last_reload_successful{{{worker}}}": "0x60",
        f'{lag}_bucket{{{worker},le="5.0"}}': "0+50x60",
        f"{lag}_count{{{worker}}}": "0+100x60",
    }
    firing = {
        ("demo", "NotifierConfigReloadFailed"),
        ("demo", "NotifierLatenessBudgetBurn"),
        ("demo", "NotifierLatenessBudgetBurnSlow"),
        ("second", "NotifierNoData"),
    }
    expected = {
        'count by (release, alertname) (ALERTS{alertstate="firing"})': [
            {"labels": f'{{release="{release}",alertname="{name}"}}', "value": 1}
            for release, name in sorted(firing)
        ],
        "notifier:slo_lateness_errors:ratio_rate5m": [
            {
                "labels": "notifier:slo_lateness_errors:ratio_rate5m"
                '{namespace="payments",job="pods",release="demo"}',
                "value": 0.5,
            }
        ],
    }
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": text, "eval_time": "30m", "exp_samples": samples}
            for text, samples in expected.items()
        ],
    }
    file = tmp_path / "test.yaml"
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    file.write_text(yaml.safe_dump(content), "utf-8")
    done = subprocess.run(  # noqa: S603  # promtool
        [promtool, "test", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_selector_of_series_is_used_as_it_is(helm):
    """Where series have other labels than an operator's monitors give them, the values say how to pick the release's."""
    objects = helm.objects("full", {"seriesSelector": 'cluster="eu",app="notifier"'})
    for rule in alerts_of(objects):
        if "notifier:" not in rule["expr"]:
            assert '{cluster="eu",app="notifier"' in rule["expr"]
            assert "pod=~" not in rule["expr"]


def test_thresholds_stand_in_the_rules():
    """Each threshold's text is in every alert that it names, and its shipped number is the values' default."""
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["prometheusRule"]
    assert set(values["thresholds"]) == set(THRESHOLDS)
    rules = [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]
    for name, threshold in THRESHOLDS.items():
        assert threshold["written"] % values["thresholds"][name] == threshold["shipped"]
        for alert in threshold["alerts"]:
            with_it = [
                rule
                for rule in rules
                if rule.get("alert") == alert and threshold["shipped"] in rule["expr"]
            ]
            assert len(with_it) == 1, (name, alert)
            assert with_it[0]["expr"].count(threshold["shipped"]) == 1, (name, alert)


def test_thresholds_and_labels_are_the_values(rendered):
    """A threshold replaces its number and says so in the alert's text; labels and `for` are the common ones or the alert's own."""
    before, after = (
        {(rule["alert"], rule["labels"]["severity"]): rule for rule in alerts_of(rendered(case))}
        for case in ("full", "platform")
    )
    backlog = after["NotifierBacklog", "critical"]
    assert backlog["expr"].rstrip().endswith("> 900")
    assert backlog["for"] == "30m"
    assert "backlogSeconds is 900" in backlog["annotations"]["description"]
    assert backlog["labels"] == {
        "severity": "critical",
        "team": "core",
        "fault": "us",
        "release": "demo",
    }
    for name in ("NotifierCertificateExpires", "NotifierKafkaCertificateExpires"):
        assert "< 45 * 86400" in after[name, "warning"]["expr"]
        assert "< 7 * 86400" in after[name, "critical"]["expr"]
        assert "< 30 * 86400" in before[name, "warning"]["expr"]
    changed = {"NotifierBacklog", "NotifierCertificateExpires", "NotifierKafkaCertificateExpires"}
    for key, rule in after.items():
        assert rule["labels"]["team"] == ("core" if key[0] == "NotifierBacklog" else "payments")
        assert rule["expr"] == before.get(key, rule)["expr"] or key[0] in changed
