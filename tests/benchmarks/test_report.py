"""Tables and plots, from results made by hand."""

import json
from dataclasses import asdict, replace
from xml.etree import ElementTree as ET

import pytest

from benchmarks import report
from benchmarks.figures import Figures, Latency
from benchmarks.machine import build
from benchmarks.quiet import Figure
from benchmarks.quiet_table import quiet_machines, quiet_table
from benchmarks.results import Results, Run
from benchmarks.svg import Bar, Panel, bars, lines, short
from benchmarks.targets import targets

FIGURES = Figures("notifier-2", 4.0, 400, 100.0, 0.6, 0.9, 0.1, 0.2, 90.0, 500, 0, 0, 0, 0, 420)
MACHINE = {
    "date": "2026-11-29",
    "system": "Linux",
    "processor": "X",
    "wide": False,
    "cores": 2,
    "python": "3.11.7",
    "build": "PGO, LTO",
    "packages": {"httpx": "0.28.1"},
    "commit": "abc1234567",
}


def results(scenario, *runs, **settings):
    """Make results of runs given as (system, point, changes of the figures); a system's first is of round 1, and so on."""
    made = Results(
        scenario,
        {"rounds": 1, "seconds": 4.0, **settings},
        on=dict(MACHINE),
        signature_ms=[0.3, 0.2, 0.4],
    )
    made.receiver_per_second, made.receiver_ms = [9000.0], [0.05]
    for system, point, changes in runs:
        number = len(made.of(system, point)) + 1
        made.runs.append(Run(number, replace(FIGURES, system=system, **changes), point))
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


SETTINGS = {"rounds": 5, "seconds": 4.0, "systems": ("notifier-2",)}


@pytest.fixture
def before(tmp_path, monkeypatch):
    """Three rounds that an earlier session left, of this commit on this machine."""
    monkeypatch.setattr("benchmarks.results.DIRECTORY", tmp_path)
    found = results("mixed", ("notifier-2", None, {}))
    found.settings = SETTINGS
    found.on = Results("this machine", {}).on | {"date": "2026-01-01"}
    found.save()
    return found


@pytest.mark.usefixtures("before")
def test_a_session_goes_on_where_an_earlier_one_ended(capsys):
    """Rounds that were measured alike are kept, without a word."""
    assert Results.begun("mixed", SETTINGS, goes_on=True, say=print).rounds == 3
    assert Results.begun("other", SETTINGS, goes_on=True, say=print).rounds == 0
    assert not capsys.readouterr().out


@pytest.mark.parametrize("other", ["commit", "processor", "seconds"])
def test_a_session_does_not_go_on_with_what_was_measured_otherwise(before, other, capsys):
    """At another commit, on another machine or for another time: all begins anew, and that is said."""
    settings = SETTINGS | {"seconds": 5.0} if other == "seconds" else SETTINGS
    before.on[other] = "another"
    before.save()
    assert Results.begun("mixed", settings, goes_on=True, say=print).rounds == 0
    assert "mixed: begun anew" in capsys.readouterr().out


@pytest.mark.usefixtures("before")
def test_a_session_that_begins_leaves_no_figures_of_an_earlier_one():
    """Else those would be published where it comes to none."""
    assert Results.begun("mixed", SETTINGS, goes_on=False, say=print).rounds == 0
    with pytest.raises(FileNotFoundError):
        Results.load("mixed")


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
    results("open-loop", *rates).save(tmp_path)
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
    assert per_core.endswith("nor verifies) | 1.33 (1.33 to 1.33) times |")
    beside = "| one worker beside hand-written aiohttp, CPU per notification: at most 1.0 times"
    assert lines[beside].endswith("1.12 (1.12 to 1.12) times, **missed** |")
    same = "| one worker beside hand-written aiohttp with the same duties, CPU per notification: for information, no target"
    assert lines[same].endswith("and has no ladder) | 0.90 (0.90 to 0.90) times |")
    above = "| CPU above the signature, one worker: at most 0.6 signatures without AVX-512"
    assert lines[above].endswith("| 0.50 |")
    assert lines["| one worker beside Go, CPU per event at 150/s: at most 1.3 times"].endswith(
        "1.00 (1.00 to 1.00) times |"
    )
    assert "p99 at most 50 ms | 60.0 ms, **missed** |" in text
    assert "at most 110 MB a process, with one partner each profile | 90 MB |" in text
    assert "nothing lost, everything signed, in every run | so it was |" in text
    assert "2 cores (X, without AVX-512 for RSA), Linux, Python 3.11.7 (PGO, LTO)" in text
    assert "One signature: 0.300 ms of CPU (0.200 to 0.400)" in text
    assert "old throughput" not in text
    assert "old mixed" in text
    assert text.count("text\n") == 3
    for picture in ("throughput", "throughput-cpu"):
        ET.parse(tmp_path / "performance" / f"{picture}.svg")  # noqa: S314  # our own


def test_what_a_run_lost_is_told_from_a_run_that_failed():
    """A peer that did not start loses nothing; both are said."""
    found = results("mixed", ("faust", None, {"lost": 3}))
    found.failures = ["mixed, round 1, go-franz: nothing reached the receiver"]
    *_, last = targets({"mixed": found})
    assert last.endswith("| faust: 3 lost; runs that came to nothing: 1, **missed** |")
    assert list(targets({"mixed": results("mixed", ("faust", None, {}))}))[-1].endswith(
        "| so it was |"
    )


def test_isolation_is_read_from_the_measurements(tmp_path, monkeypatch):
    """Where `make measure` has measured a thousand destinations, its ratio stands in the table; else the row is left out."""
    monkeypatch.setattr("benchmarks.targets.MEASURES", tmp_path)
    assert "1,000" not in "".join(targets({}))
    found = json.dumps({"found": {"ratio": 2.5}})
    (tmp_path / "hang-1000.measure.json").write_text(found)
    assert "at most 2 times (`make measure`) | 2.50 times, **missed** |" in "".join(targets({}))


def test_start_and_idle_are_read_from_their_own_files(tmp_path, monkeypatch):
    """The medians of this checkout, not of one that took turns with it."""
    monkeypatch.setattr("benchmarks.targets.DIRECTORY", tmp_path)
    assert "idle" not in "".join(targets({}))
    one = Figure(10.0, 0.2, 450, 0.1, 90.0)
    other = [replace(one, seconds=9.0, cpu_seconds=9.0)]
    starts = [replace(one, seconds=seconds, cpu_seconds=0.8) for seconds in (1.2, 2.5, 1.4)]
    for name, ours in (("start", starts), ("idle", [one])):
        figures = {"here": list(map(asdict, ours)), "other": list(map(asdict, other))}
        document = {"on": MACHINE, "figures": figures}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    text = "".join(targets({}))
    assert "start to ready: at most 2 s and 1.2 s of CPU | 1.40 s, 0.80 s of CPU |" in text
    assert "an idle worker: at most 0.01 cores | 0.0200 cores, **missed** |" in text
    assert quiet_table(tmp_path)[2:] == [
        "| from the start to ready, s | 1.40 (1.20 to 2.50) |",
        "| CPU in that time, s | 0.80 (0.80 to 0.80) |",
        "| idle, cores | 0.0200 (0.0200 to 0.0200) |",
        "| idle, the broker's cores | 0.0100 (0.0100 to 0.0100) |",
        "| idle, wake-ups a second | 45 (45 to 45) |",
        "| memory, MB | 90 (90 to 90) |",
    ]
    assert quiet_machines(tmp_path) == [MACHINE]
    assert quiet_table(tmp_path / "none") == []
    assert quiet_machines(tmp_path / "none") == []


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
