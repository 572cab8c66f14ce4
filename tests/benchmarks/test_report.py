"""Tables and plots, from results made by hand."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from benchmarks import report
from benchmarks.figures import Figures, Latency
from benchmarks.results import Results, Run
from benchmarks.svg import Bar, Panel, bars, lines, short

FIGURES = Figures("notifier-2", 4.0, 400, 100.0, 0.6, 0.9, 0.1, 0.2, 90.0, 500, 0, 0, 0, 0, 420)


def results(scenario, *runs, **settings):
    """Make results of runs given as (system, point, changes of the figures)."""
    made = Results(
        scenario, {"rounds": 1, "seconds": 4.0, **settings}, signature_ms=[0.3, 0.2, 0.4]
    )
    made.receiver_per_second, made.receiver_ms = [9000.0], [0.05]
    made.runs = [
        Run(number, replace(FIGURES, system=system, **changes), point)
        for number, (system, point, changes) in enumerate(runs, start=1)
    ]
    return made


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
    load = Results.load
    monkeypatch.setattr(Results, "load", lambda scenario: load(scenario, tmp_path))
    return page


def test_the_page_holds_what_was_measured_and_keeps_what_was_not(page, tmp_path):
    """The report replaces the figures of scenarios that were run, draws them, and leaves the rest of the page alone."""
    results(
        "throughput",
        ("notifier-2", None, {"per_second": 1500.0}),
        ("aiokafka-httpx", None, {"per_second": 250.0}),
        ("faust", None, {"per_second": 300.0}),
    ).save(tmp_path)
    latency = Latency(8.0, 60.0, 70.0, 1.0)
    rates = (("notifier-2", rate, {"latency": latency}) for rate in (250.0, 500.0, 750.0))
    results("open-loop", *rates).save(tmp_path)
    assert report.main() == 0
    text = page.read_text()
    assert (
        "| two workers deliver at least 7 times `aiokafka-httpx` | 6.0 times, **missed** |" in text
    )
    assert "| two workers deliver at least 4 times `faust` | 5.0 times |" in text
    assert "p50 at most 10 ms | 8.0 ms |" in text
    assert "p99 at most 50 ms | 60.0 ms, **missed** |" in text
    assert "nothing lost, everything signed, in every run | so it was |" in text
    assert "old throughput" not in text
    assert "old mixed" in text
    assert text.count("text\n") == 3
    for picture in ("throughput", "throughput-cpu"):
        ET.parse(tmp_path / "performance" / f"{picture}.svg")  # noqa: S314  # our own


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
