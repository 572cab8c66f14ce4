"""Tables and plots, from results made by hand."""

import math
from xml.etree import ElementTree as ET

import pytest

from benchmarks import report
from benchmarks.figures import Latency
from benchmarks.machine import build
from benchmarks.svg import Bar, Panel, bars, lines, short
from tests.benchmarks.by_hand import results

MEASURED = "2026-11-29, commit abc1234567 |"


def test_what_a_notification_costs_in_signatures_is_taken_within_a_round():
    """A round in which the machine is slow has a slow signature too."""
    costs = ({"cpu_ms": 0.6}, {"cpu_ms": 0.6}, {"cpu_ms": 1.2})  # signatures: 0.3, 0.2 and 0.4
    found = results("throughput", *(("notifier-2", None, cost) for cost in costs))
    _, _, row = report.table(found)
    assert row.split(" | ")[2:4] == ["0.60", "3.0"]


def test_a_table_shows_medians_with_the_range():
    """A row has the median of the rounds and, for the rate, the lowest and the highest; counts are summed."""
    found = results(
        "throughput",
        ("notifier-2", None, {"per_second": 1200.0}),
        ("notifier-2", None, {"per_second": 1000.0, "repeats": 2}),
        ("notifier-2", None, {"per_second": 1900.0}),
    )
    _, _, row = report.table(found)
    assert row == (
        "| notifier-2 | 1,200 (1,000 to 1,900) | 0.60 | 2.0 | 90 | 0.90, 0.10, 0.20 | 1,500 | 2 | 0 |"
    )


def test_ratios_are_taken_within_a_round():
    """The machine's mood in a round is in both figures: median, lowest and highest are of ratios, not of figures."""
    found = results(
        "throughput",
        *(("notifier-2", None, {"per_second": rate}) for rate in (1000.0, 500.0, 900.0)),
        *(("go-franz", None, {"per_second": rate}) for rate in (2000.0, 500.0)),
    )
    assert found.ratios("per_second", "notifier-2", "go-franz") == (0.75, 0.5, 1.0)
    assert found.ratios("per_second", "notifier-2", "faust") is None
    *_, row = report.ratios(found)
    assert row.startswith("| notifier-2 beside go-franz | 0.75 (0.50 to 1.00) | 1.00 (1.00 to")
    assert "writes no attempts record and neither validates nor verifies" in row


def test_a_worker_is_not_compared_with_two_processes_of_a_peer():
    """Each of ours stands beside peers of as many processes or fewer, at the rates that both were offered."""
    found = results(
        "open-loop",
        *(("notifier-1", rate, {}) for rate in (100.0, 200.0)),
        *(("notifier-2", 100.0, {}), ("go-franz", 100.0, {}), ("aiokafka-aiohttp-2", 100.0, {})),
        verifies=True,
    )
    head, _, *rows = report.ratios(found)
    assert head.split(" | ")[1] == "Offered/s"
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| notifier-1 beside go-franz", "100"],
        ["| notifier-2 beside go-franz", "100"],
        ["| notifier-2 beside aiokafka-aiohttp-2", "100"],
    ]
    assert "does not validate" in rows[0]


@pytest.mark.parametrize(
    ("peer", "said"),
    [
        ("aiohttp-duties", "the peer validates, verifies, writes attempts records and counts"),
        ("aiohttp-validate", "the peer validates, and neither verifies nor writes"),
        ("aiohttp-verify", "the peer writes no attempts record and does not validate |"),
        ("aiohttp-record", "the peer writes attempts records, and neither validates nor verifies"),
        ("aiohttp-count", "neither validates nor verifies; it has metrics"),
        ("aiokafka-aiohttp", "writes no attempts record and neither validates nor verifies |"),
    ],
)
def test_a_ratio_says_what_its_peer_does(peer, said):
    """One that was given duties is not said to lack them."""
    *_, row = report.ratios(results("throughput", ("notifier-1", None, {}), (peer, None, {})))
    assert said in row


@pytest.mark.parametrize(
    ("arguments", "schemes", "said"),
    [
        ("'--enable-optimizations' '--with-lto'", ["venv"], "PGO, LTO"),
        ("'--enable-optimizations' '--with-lto=no'", ["venv"], "PGO, no LTO"),
        ("'--enable-shared'", ["venv"], "no PGO, no LTO"),
        ("", [], "no PGO, no LTO"),
        ("'--enable-shared' '--with-dtrace'", ["venv", "deb_system"], "PGO, LTO"),
    ],
)
def test_tables_say_how_python_was_built(arguments, schemes, said):
    """As its configure was called, or as Debian builds; without optimisation all but the signature takes longer."""
    assert build(arguments, schemes) == said


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page with three marked places, and results beside it."""
    marks = "".join(
        f"<!-- figures: {name} -->\nold {name}\n<!-- end of figures -->\ntext\n"
        for name in ("targets", "throughput", "mixed")
    )
    page = tmp_path / "performance.md"
    page.write_text(marks)
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "PICTURES", tmp_path / "performance")
    # Whoever runs the tests may have measured before.
    for name in ("report.DIRECTORY", "targets.DIRECTORY", "targets.MEASURES"):
        monkeypatch.setattr(f"benchmarks.{name}", tmp_path / "quiet")
    monkeypatch.setattr("benchmarks.results.DIRECTORY", tmp_path)
    return page


def test_the_page_holds_what_was_measured_and_keeps_what_was_not(page, tmp_path):
    """The report replaces the figures of scenarios that were run, draws them, and leaves the rest of the page alone."""
    results(
        "throughput",
        ("notifier-1", None, {"cpu_ms": 0.45}),
        ("notifier-2", None, {"per_second": 1500.0}),
        ("go-franz", None, {"per_second": 1600.0, "cpu_ms": 0.8}),
        ("aiokafka-aiohttp", None, {"cpu_ms": 0.4}),
        ("aiohttp-duties", None, {"cpu_ms": 0.5}),
    ).save(tmp_path)
    latency = Latency(8.0, 60.0, 70.0, 1.0)
    rates = (("notifier-2", rate, {"latency": latency}) for rate in (250.0, 500.0, 750.0))
    plan = [["notifier-2", rate] for rate in (250.0, 500.0, 750.0)]
    results("open-loop", *rates, plan=plan).save(tmp_path)
    slow = ("notifier-1", "go-franz")
    results("low-rate", *((name, 150.0, {"latency": latency}) for name in slow)).save(tmp_path)
    assert report.main() == 0
    text = page.read_text()
    lines = {row.split(" (")[0]: row for row in text.splitlines() if row.startswith("| ")}
    assert (
        "| 0.94 (0.94 to 0.94) times, **missed** |"
        in lines["| two workers beside Go, deliveries/s: at least 0.95 times"]
    )
    per_core = lines["| two workers beside Go, deliveries/s per core used: at least 1.0 times"]
    assert per_core.endswith(f"nor verifies) | 1.33 (1.33 to 1.33) times | {MEASURED}")
    beside = "| one worker beside hand-written aiohttp, CPU per notification: at most 1.0 times"
    assert lines[beside].endswith(f"1.12 (1.12 to 1.12) times, **missed** | {MEASURED}")
    same = "| one worker beside hand-written aiohttp with the same duties, CPU per notification: for information, no target"
    assert lines[same].endswith(f"and has no ladder) | 0.90 (0.90 to 0.90) times | {MEASURED}")
    above = (
        "| CPU above the signature, one worker: at most 1.5 signatures with AVX-512, 0.6 without"
    )
    assert lines[above].endswith(f"(TLS) | 0.50 without | {MEASURED}")
    assert lines["| one worker beside Go, CPU per event at 150/s: at most 1.3 times"].endswith(
        f"1.00 (1.00 to 1.00) times | {MEASURED}"
    )
    assert "p99 at most 50 ms | 60.0 ms, **missed** |" in text
    assert (
        "at most 110 MiB a process, with one partner each profile | 90 MiB (throughput) |" in text
    )
    assert "nothing lost, everything signed, in every run | so it was, in 10 runs |" in text
    assert "2 cores (X, without AVX-512 for RSA), Linux, Python 3.11.7 (PGO, LTO)" in text
    assert "One signature: 0.300 ms of CPU (0.200 to 0.400)" in text
    assert "old throughput" not in text
    assert "old mixed" in text
    assert text.count("text\n") == 3
    for picture in ("throughput", "throughput-cpu"):
        ET.parse(tmp_path / "performance" / f"{picture}.svg")  # noqa: S314  # our own


def test_a_scenario_of_which_every_run_failed_is_told_in_words(page, tmp_path):
    """The report of all the others is written, and the table that was there before is not taken for this session's."""
    found = results("throughput")
    found.failures = ["throughput, round 1, notifier-1: it did not start"] * 15
    found.receiver_per_second = []
    found.save(tmp_path)
    results("mixed", ("notifier-2", None, {})).save(tmp_path)
    assert report.main() == 0
    text = page.read_text()
    assert "Nothing was measured. Runs that came to nothing: 15." in text
    assert "old throughput" not in text
    assert "| notifier-2 (1 of 3 rounds) | 100 |" in text


def test_latencies_are_shown_with_their_range_and_how_far_the_generator_fell_behind():
    """A median alone would hide a round that went wrong; of the generator the worst round is shown."""
    waits = ((8.0, 60.0, 1.0), (9.0, 1200.0, 300.0), (7.0, math.inf, 2.0))
    found = results(
        "open-loop",
        *(
            ("notifier-2", 500.0, {"latency": Latency(p50, p99, p99, behind)})
            for p50, p99, behind in waits
        ),
    )
    head, _, row = (line.split(" | ") for line in report.table(found))
    assert head[3:6] == ["p50 ms", "p99 ms", "generator behind, ms"]
    assert row[3:6] == ["8.0 (7.0 to 9.0)", "1,200.0 (60.0 to never)", "300.0"]


def test_a_table_says_of_how_many_rounds_a_system_is():
    """Where it failed in some; and how many runs failed stands below."""
    found = results(
        "throughput",
        *(("notifier-2", None, {}) for _ in range(3)),
        *(("go-franz", None, {}) for _ in range(2)),
    )
    found.failures = ["throughput, round 3, go-franz: it did not start"]
    _, _, ours, theirs = report.table(found)
    assert ours.startswith("| notifier-2 | 100 |")
    assert theirs.startswith("| go-franz (2 of 3 rounds) | 100 |")
    assert report.where(found).endswith("3 rounds, windows of 4 s.\nRuns that came to nothing: 1.")


def test_without_results_the_report_says_so(page, capsys):
    """Where nothing was measured the page stays as it is, and the command fails with what to do."""
    assert report.main() == 1
    assert "make bench" in capsys.readouterr().err
    assert "old targets" in page.read_text()


def test_bars_are_as_long_as_their_values():
    """Half of the value is half of the length, and every label is there."""
    drawn = ET.fromstring(  # noqa: S314  # our own
        bars(
            "a < b",
            [Bar("x", 200, "200/s", (150, 200), ours=True), Bar("y", 100, "100/s", (90, 110))],
        )
    )
    rects = drawn.findall("{*}rect")
    first, second = (float(rect.attrib["width"]) for rect in rects)
    assert first == pytest.approx(2 * second, abs=0.1)
    assert [rect.attrib["class"] for rect in rects] == ["ours", "theirs"]
    texts = [text.text for text in drawn.findall("{*}text")]
    assert texts == ["a < b", "x", "200/s", "y", "100/s"]


def test_lines_stand_over_a_logarithmic_axis():
    """Ten times as much is always the same step to the right, and the scale begins at 0 and holds the highest value."""
    points = [(1, 100.0), (10, 470.0), (100, 470.0)]
    drawn = ET.fromstring(lines("t", [Panel("rate", "calls", points, short)]))  # noqa: S314  # our own
    xs = [float(dot.attrib["cx"]) for dot in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    labels = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert labels[:7] == ["rate", "0", "100", "200", "300", "400", "500"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (250, "250"), (1000, "1k"), (1024, "1,024"), (2500, "2.5k"), (1e6, "1M")],
)
def test_numbers_of_an_axis_are_short(value, text):
    """Round thousands and millions are written with a letter."""
    assert short(value) == text
