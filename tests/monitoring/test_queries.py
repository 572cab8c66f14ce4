"""Every query of the chart asks for what a worker shows, and every alert has its page."""

import json
import re
from itertools import chain

import pytest
from prometheus_client import Histogram

from streams.operator.console.metrics import ConsoleMetrics
from streams.telemetry.metrics import Metrics
from tests.monitoring.conftest import FILES, ROOT
from tests.monitoring.queries import Query, all_queries

QUERIES = all_queries(FILES)
RUNBOOKS = ROOT / "docs/runbooks"
OF_PROMETHEUS = {"namespace", "job", "instance", "le", "alertname", "alertstate"}
OF_THE_CLIENT_LIBRARY = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def shown():
    """Return the series of the catalogue: the values of each label by name."""
    series = {}
    for metric in (*Metrics.table().values(), *ConsoleMetrics.table().values()):
        labels = {label.name: set(label.values) for label in metric.names}
        if metric.kind is Histogram:
            edges = {str(edge) for edge in metric.buckets} | {"+Inf"}
            series[f"{metric.name}_bucket"] = labels | {"le": edges}
            series[f"{metric.name}_count"] = series[f"{metric.name}_sum"] = labels
        else:
            series[metric.name] = labels
    return series


SHOWN = shown()


def faults(query, recorded):
    """Return what a query asks for that nobody shows."""
    found = []
    for asked in query.asked():
        if asked.metric in OF_THE_CLIENT_LIBRARY:
            continue
        if asked.metric.startswith("notifier:"):
            found += [] if asked.metric in recorded else [asked.metric]
            continue
        if asked.metric not in SHOWN:
            found.append(asked.metric)
            continue
        labels = SHOWN[asked.metric]
        for name, value in asked.equal:
            if name not in labels or (labels[name] and value not in labels[name]):
                found.append(f"{asked.metric}: {name}={value}")
    known = set(chain.from_iterable(SHOWN.values())) | OF_PROMETHEUS
    return found + sorted(query.groupings() - known)


@pytest.fixture
def recorded(rules):
    """The names that recording rules make."""
    return {rule["record"] for rule in rules if "record" in rule}


@pytest.mark.parametrize("query", QUERIES, ids=[query.place for query in QUERIES])
def test_a_query_asks_for_what_there_is(query, recorded):
    """Metrics, labels and values are the catalogue's: a misspelt one would be quiet for ever."""
    assert faults(query, recorded) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum(notifier_typo_total)", ["notifier_typo_total"]),
        ('notifier_dlq_total{reason="tired"}', ["notifier_dlq_total: reason=tired"]),
        ('notifier_dlq_total{why="rejected"}', ["notifier_dlq_total: why=rejected"]),
        ('notifier_dlq_total{reason=~"rejected|x"}', ["notifier_dlq_total: reason=x"]),
        (
            'notifier_dispatch_lag_seconds_bucket{le="5"}',
            ["notifier_dispatch_lag_seconds_bucket: le=5"],
        ),
        ("sum by (customer) (notifier_dlq_total)", ["customer"]),
        ("notifier:no:rule", ["notifier:no:rule"]),
        ('sum by (reason) (rate(notifier_dlq_total{reason="rejected"}[5m]))', []),
    ],
)
def test_a_wrong_query_is_found(text, expected):
    """The check can fail."""
    assert faults(Query("here", text), set()) == expected


def test_every_alert_says_what_an_operator_needs(rules):
    """Severity, whose fault it may be, a summary, a description and its page."""
    for rule in rules:
        if "alert" not in rule:
            continue
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, rule["alert"]
        assert rule["labels"].get("fault") in {None, "us", "partner", "upstream"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, rule["alert"]
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


def test_alerts_and_runbooks_belong_together(rules):
    """Each alert has its page, and each page its alert."""
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert {rule["alert"] for rule in rules if "alert" in rule} == pages


@pytest.mark.parametrize(
    "path", sorted(RUNBOOKS.glob("Notifier*.md")), ids=lambda path: str(path.stem)
)
def test_a_runbook_has_its_parts(path):
    """What it means, what it does, how to look, what to do; in this order."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem}\n")
    parts = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == parts


@pytest.mark.parametrize(
    "path", sorted(RUNBOOKS.glob("Notifier*.md")), ids=lambda path: str(path.stem)
)
def test_a_runbook_names_panels_that_there_are(path):
    """A panel named in italics stands on a dashboard, and so does the dashboard."""
    pages = [json.loads(one.read_text("utf-8")) for one in FILES.glob("dashboards/*.json")]
    panels = {panel["title"] for page in pages for panel in page["panels"]}
    titles = {page["title"].removeprefix("Payment notifier: ") for page in pages}
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*\n]+|[a-z]+)\*(?!\*)", path.read_text("utf-8")))
    unknown = {
        name
        for name in named - titles
        if not any(panel == name or panel.startswith(f"{name},") for panel in panels)
    }
    assert unknown - {"Targets"} == set()  # Prometheus's own page


@pytest.mark.parametrize(
    "path", sorted(FILES.glob("dashboards/*.json")), ids=lambda path: path.name
)
def test_a_dashboard_fits_any_grafana(path):
    """It names no data source of its own, has a lasting id, and its panels do not lie on one another."""
    page = json.loads(path.read_text(encoding="utf-8"))
    assert page["uid"] == f"payment-notifier-{path.stem}"
    sources = {json.dumps(panel["datasource"]) for panel in page["panels"]}
    assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}
    cells = [
        (x, y)
        for panel in page["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
