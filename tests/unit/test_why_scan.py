"""What `notifier why --scan` says at the end, and how it may not be asked."""

import json

import pytest
from typer.testing import CliRunner

from streams import cli
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.reader import Span
from streams.operator.commands import why
from streams.operator.commands.why import _scan_summary
from streams.operator.history.scan import Scanned
from streams.operator.history.search import OrderRecords
from streams.settings import Settings
from tests.unit.kit import NOW_MS, ManualClock

PLACE = RecordId("pn-dead-letter", 0, 7)


@pytest.mark.parametrize(
    ("scanned", "explained", "since_ms", "says"),
    [
        (Scanned(["o"], read=1234), 1, None, "evt-1 belongs to 1 order (1,234 records were read)."),
        (Scanned(["o", "p"], read=5), 2, None, "evt-1 belongs to 2 orders (5 records were read)."),
        (Scanned(["o", "p"], read=5), 1, None, "evt-1 belongs to more orders than the 1 above (5 records were read)."),
        (Scanned(["o"], read=5, is_cut=True), 1, None, "evt-1 belongs to more orders than the 1 above (5 records were read)."),
        (Scanned(read=5), 0, NOW_MS, "Nothing that was read has evt-1 as a whole (5 records were read, what was written since 2026-11-22T10:15:30.000Z)."),
        (Scanned(nameless=[PLACE], read=5), 0, None, "No order has evt-1 (5 records were read). It stands where no order can be read: pn-dead-letter:0:7."),
    ],
)  # fmt: skip
def test_what_a_scan_found_is_said(scanned, explained, since_ms, says):
    """How many orders, whether there may be more, how much was read, and where the id stands without an order."""
    assert _scan_summary("evt-1", scanned, explained, since_ms) == says


def test_a_scan_asks_no_console():
    """The console finds such ids itself; both at once is wrong use."""
    result = CliRunner().invoke(
        cli.app, ["why", "evt-1", "--scan", "--console", "https://console.example.com"]
    )
    assert result.exit_code == 2
    assert "usage: --scan reads Kafka" in result.stderr


@pytest.mark.parametrize(
    ("scanned", "since_ms", "complete"),
    [
        (Scanned(["o-1"], read=9), None, True),
        (Scanned(["o-1"], read=9), NOW_MS, False),
        (Scanned(["o-1"], read=9, is_cut=True), None, False),
        (Scanned(["o-1", "o-2"], read=9), None, False),
        (Scanned(["o-1"], read=9, left_out=(Span("final", 0, 1, 2),)), None, False),
    ],
)
def test_a_scan_of_a_part_is_not_complete(monkeypatch, capsys, scanned, since_ms, complete):
    """Nor is one that ended early, or that left out what it could not read."""

    async def scan(*_):
        return scanned, [("o-1", OrderRecords(left_out=scanned.left_out))]

    monkeypatch.setattr(why, "_scan", scan)
    monkeypatch.setattr(why, "_partners", lambda *_: {})
    settings = Settings.model_construct(
        **{name: field.default for name, field in Settings.model_fields.items()}
    )
    why._why_scanned(settings, "evt-1", since_ms, ManualClock(), as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["complete"] is complete
    assert said["orders"][0]["complete"] is not bool(scanned.left_out)
