"""The alerts, evaluated by Prometheus's own tool: each fires when it should and is quiet when it should be."""

import subprocess

import pytest
import yaml

from tests.monitoring.cases import CASES, DAY, HEALTHY, WORKER

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


def test_promtool_is_asked(run):
    """An expectation that is wrong is reported: the other tests can fail."""
    assert "alertname" in run(WORKER | HEALTHY, 55, {"NotifierOverdue"})


def test_every_alert_has_its_case(rules):
    """None is shipped that was never seen to fire."""
    assert sorted({rule["alert"] for rule in rules if "alert" in rule}) == sorted(
        case.alert for case in CASES
    )


def test_the_rules_keep_to_prometheus_own_advice(promtool, rule_files):
    """`promtool check rules` finds nothing."""
    done = subprocess.run(  # noqa: S603  # the tool that was found
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *map(str, rule_files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
