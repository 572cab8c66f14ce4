"""Where the chart's rules and dashboards are, and promtool."""

import shutil
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "helm/payment-notifier/files"


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus's own tool, where it is installed."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian and Ubuntu: package prometheus)")
    return found


@pytest.fixture(scope="session")
def rule_files() -> list[Path]:
    """The files of recording rules and alerts."""
    return sorted(FILES.glob("rules/*.yaml"))


@pytest.fixture(scope="session")
def rules(rule_files) -> list[dict[str, object]]:
    """Every rule."""
    return [
        rule
        for path in rule_files
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]
