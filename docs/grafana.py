"""What Grafana reads: a dashboard as JSON, from a table of panels."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

_COLUMNS: Final = 24
_HEIGHT: Final = {"stat": 4, "row": 1}
_SELECTOR: Final = 'namespace=~"$namespace",job=~"$job"'
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: what it shows.
        queries: expressions by legend.
        kind: Grafana's name of it.
        unit: Grafana's name of it.
        width: of 24 columns.
        meaning: one sentence for who looks at it in the night.
        bad: from where on it is red; stats only.
    """

    title: str
    queries: dict[str, str]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    meaning: str = ""
    bad: float | None = None


def _placed(panels: Iterable[Panel]) -> Iterator[dict[str, Any]]:
    """Return the panels one after the other, in rows of 24 columns."""
    x = y = 0
    tallest = 0
    for number, panel in enumerate(panels, start=1):
        height = _HEIGHT.get(panel.kind, 8)
        if x + panel.width > _COLUMNS:
            x, y = 0, y + tallest
            tallest = 0
        yield _panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": height})
        x, tallest = x + panel.width, max(tallest, height)


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    table = panel.kind == "table"
    targets = [
        {
            "refId": "ABCDEFGH"[index],
            "datasource": _SOURCE,
            "expr": query.replace("$in", _SELECTOR),
            "legendFormat": legend,
            "instant": table or panel.kind == "stat",
            "range": not table and panel.kind != "stat",
            **({"format": "table"} if table else {}),
        }
        for index, (legend, query) in enumerate(panel.queries.items())
    ]
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.bad is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.bad}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    made = {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "description": panel.meaning,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
    }
    if panel.kind == "stat":
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}}
    if table:
        made["options"] = {"sortBy": [{"displayName": "acknowledged", "desc": False}]}
        names = {f"Value #{target['refId']}": target["legendFormat"] for target in targets}
        made["transformations"] = [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"renameByName": names, "excludeByName": {"Time": True}}},
        ]
        share = {"matcher": {"id": "byName", "options": "acknowledged"}}
        made["fieldConfig"] = {
            "defaults": {},
            "overrides": [share | {"properties": [{"id": "unit", "value": "percentunit"}]}],
        }
    return made


def choice(name: str, query: str) -> dict[str, Any]:
    """Return a variable that is chosen on the page, of the values that a query finds."""
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": query,
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def dashboard(name: str, title: str, panels: list[Panel], *more: dict[str, Any]) -> str:
    """Return the text of a dashboard's file; `more` are its variables beside data source, namespace and job."""
    source = {"name": "datasource", "type": "datasource", "query": "prometheus"}
    chosen = [
        source,
        choice("namespace", "label_values(notifier_build_info, namespace)"),
        choice("job", "label_values(notifier_build_info, job)"),
        *more,
    ]
    page = {
        "uid": f"payment-notifier-{name}",
        "title": f"Payment notifier: {title}",
        "tags": ["payment-notifier"],
        "editable": False,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "tags": ["payment-notifier"],
                "title": "",
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": chosen},
        "panels": list(_placed(panels)),
    }
    return json.dumps(page, indent=2) + "\n"
