"""The alerts, evaluated by Prometheus's own tool: each fires when it should and is quiet when it should be."""

import subprocess

import pytest
import yaml

from tests.monitoring.cases import CASES, DAY, DEAD, HEALTHY, REFUSED, WORKER

FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


@pytest.fixture
def run(promtool, rule_files, tmp_path):
    """Returns what promtool says against exactly these alerts firing at a minute; nothing where it agrees."""

    def run(series, at, alerts):
        samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)]
        test = {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f"{FIRING} > bool 0",
                    "eval_time": f"{at}m",
                    "exp_samples": samples,
                }
            ],
        }
        file = tmp_path / "test.yaml"
        content = {
            "rule_files": [str(path) for path in rule_files],
            # Within the 5 min for which a sample counts: the groups are evaluated in any order, so an alert may see what
            # was recorded one interval before.
            "evaluation_interval": "4m" if at >= DAY else "1m",
            "tests": [test],
        }
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        done = subprocess.run(  # noqa: S603  # the tool that was found
            [promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return run


@pytest.mark.parametrize("case", CASES, ids=[case.alert for case in CASES])
def test_an_alert_fires(run, case):
    """With what it is for, and no other alert but those that the same thing must raise."""
    assert run(case.worker | case.fires, case.at, {case.alert, *case.also}) == ""


@pytest.mark.parametrize("case", CASES, ids=[case.alert for case in CASES])
def test_an_alert_is_quiet(run, case):
    """With the same series and harmless values nothing fires."""
    assert run(WORKER | case.quiet, case.at, set()) == ""


def test_a_healthy_worker_alerts_nobody(run):
    """Nor does a retry topic with 10,000 records that are not yet due."""
    assert run(WORKER | HEALTHY, 55, set()) == ""


def test_a_refused_event_raises_one_alert(run):
    """Its dead letter is not taken for that of a notification which waited for a retry."""
    refused = {
        DEAD % "invalid-event": "0x10 1x3 7x60",
        REFUSED % "invalid-event": "0x10 1x3 7x60",
    }
    for at in (13, 20, 26):
        assert run(WORKER | refused, at, {"NotifierEventsRefused"}) == ""


@pytest.mark.parametrize("pods", [3, 40])
def test_a_rollout_of_any_size_is_no_restlessness(run, pods):
    """Each pod that is replaced is two rebalances, and all of them together raise no alert of the group."""
    rollout = {
        f"notifier_build_info{{version='1',pod='old-{n}'}}": f"1x{5 + n * 20 // pods} stale"
        for n in range(pods)
    } | {
        f"notifier_build_info{{version='2',pod='new-{n}'}}": f"_x{5 + n * 20 // pods} 1x60"
        for n in range(pods)
    }
    step = 2 * pods / 20
    rebalances = {
        "notifier_rebalances_total{group='g',pod='new-0'}": f"0x5 0+{step}x20 {2 * pods}x60"
    }
    assert run(rollout | rebalances, 30, set()) == ""


def test_a_container_that_restarts_in_its_pod_is_not_excused(run):
    """A worker that is killed again and again keeps its pod, and its group's rebalances are told of."""
    rebalances = {"notifier_rebalances_total{group='g'}": "0x5 0+0.5x60"}
    assert run(WORKER | rebalances, 30, {"NotifierRebalances"}) == ""


def test_promtool_is_asked(run):
    """An expectation that is wrong is reported: the other tests can fail."""
    assert "alertname" in run(WORKER | HEALTHY, 55, {"NotifierOverdue"})


def test_every_alert_has_its_case(rules):
    """None is shipped that was never seen to fire."""
    assert {rule["alert"] for rule in rules if "alert" in rule} == {case.alert for case in CASES}


def test_the_rules_keep_to_prometheus_own_advice(promtool, rule_files):
    """`promtool check rules` finds nothing."""
    done = subprocess.run(  # noqa: S603  # the tool that was found
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *map(str, rule_files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
