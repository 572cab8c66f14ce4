"""The queries of the chart's rules and dashboards, taken apart."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

STAND_INS = {"$__rate_interval": "5m", "$namespace": ".*", "$job": ".*", "$partner": ".*"}


@dataclass(frozen=True)
class Asked:
    """One series selector of a query.

    Attributes:
        metric: its name.
        equal: labels and the values that they are compared with, alternatives of a pattern one by one.
    """

    metric: str
    equal: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Query:
    """One query.

    Attributes:
        place: file and rule or panel.
        text: PromQL.
    """

    place: str
    text: str

    def parts(self) -> list[Any]:
        """Return every part of the parsed query; fails where it can't be parsed."""
        found: list[Any] = []
        promql.walk(promql.parse(self.text), found.append)
        return found

    def asked(self) -> Iterator[Asked]:
        """Return the selectors."""
        for part in self.parts():
            if isinstance(part, promql.VectorSelector):
                pairs = [
                    (matcher.name, value)
                    for matcher in part.matchers.matchers
                    for value in re.split(r"\|", matcher.value)
                    if value != ".*"
                ]
                yield Asked(part.name or "", tuple(pairs))

    def groupings(self) -> set[str]:
        """Return the labels that it groups by."""
        return {
            label
            for part in self.parts()
            if isinstance(part, promql.AggregateExpr) and part.modifier is not None
            for label in part.modifier.labels
        }


def of_rules(path: Path) -> Iterator[Query]:
    """Return the queries of a file of rules."""
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield Query(f"{path.name} {rule.get('alert') or rule['record']}", rule["expr"])


def of_dashboard(path: Path) -> Iterator[Query]:
    """Return the queries of a dashboard, its variables filled in."""
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            text = target["expr"]
            for variable, value in STAND_INS.items():
                text = text.replace(variable, value)
            yield Query(f"{path.name} {panel['title']}", text)


def all_queries(files: Path) -> list[Query]:
    """Return the queries of everything that the chart ships."""
    rules = [query for path in sorted(files.glob("rules/*.yaml")) for query in of_rules(path)]
    pages = [
        query for path in sorted(files.glob("dashboards/*.json")) for query in of_dashboard(path)
    ]
    return rules + pages
