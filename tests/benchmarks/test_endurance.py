"""A long run: what grows is noticed, what only moves is not, and a short run delivers everything and stays small."""

import json
from contextlib import nullcontext
from dataclasses import asdict
from random import Random  # noqa: TID251  # seeded
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks import endurance, endurance_report
from benchmarks.backlog import order_of
from benchmarks.endurance import MANNER, Endurance, Told, faults
from benchmarks.flatness import LEAST, Sample, gain, picture, trends
from benchmarks.machine import machine
from benchmarks.receiver_process import Receipt, Receipts

MB = 2**20
COUNT = 1_000_000


def samples(**slopes):
    """Make samples that move as a worker's do, each thing growing by so much in a million notifications besides."""
    rng = Random(3)  # noqa: S311  # no secret
    made = []
    for number in range(1, 501):
        delivered = number * COUNT // 500
        filling = min(delivered / 60_000, 1.0)  # what lanes remember, until it is full
        grown = {name: slope * delivered / COUNT for name, slope in slopes.items()}
        made.append(
            Sample(
                number * 2.0,
                delivered,
                int((120 + 40 * filling + rng.gauss(0, 1.5) + grown.get("memory", 0)) * MB),
                round(180 + rng.gauss(0, 2) + grown.get("descriptors", 0)),
                round(7 + grown.get("threads", 0)),
                round(300 + rng.gauss(0, 30) + grown.get("tasks", 0)),
                int(1000 * (900 + 500 * filling + rng.gauss(0, 20) + grown.get("blocks", 0))),
            )
        )
    return made


def found_in(made, **changes):
    """Return what a run with these samples came to."""
    well = {
        "notifications": COUNT,
        "seconds": 1000.0,
        "requests": 1_020_000,
        "lost": 0,
        "repeats": 0,
        "wrongly_signed": 0,
        "dead_letters": 5000,
        "refused": 5000,
        "exit_code": 0,
        "samples": [asdict(sample) for sample in made],
        "machine": machine(),
    }
    return well | changes


def test_a_line_gains_what_it_rises():
    """From the first point to the last; points beside it on both sides change nothing."""
    xs = [0.0, 1.0, 2.0, 3.0]
    assert gain(xs, [5.0, 5.0, 5.0, 5.0]) == 0
    assert gain(xs, [1.0, 3.0, 5.0, 7.0]) == pytest.approx(6.0)
    assert gain(xs, [1.0, 9.0, 9.0, 1.0]) == pytest.approx(0.0)


def test_what_fills_up_once_and_moves_is_flat():
    """Lanes fill in the first tenth, and load moves memory and tasks by more than the growth that is allowed."""
    assert all(trend.flat for trend in trends(samples()).values())
    assert faults(found_in(samples())) == []


@pytest.mark.parametrize(
    ("leak", "name"),
    [
        ({"memory": 50}, "memory, MiB"),  # 50 bytes of each notification
        ({"blocks": 200}, "objects, thousands of blocks"),
        ({"descriptors": 30}, "open descriptors"),
        ({"threads": 5}, "threads"),
        ({"tasks": 100}, "tasks"),
    ],
)
def test_a_leak_is_noticed(leak, name):
    """Of 50 bytes for each notification, one object in five, one descriptor in 30,000, one task in 10,000."""
    not_flat = [what for what, trend in trends(samples(**leak)).items() if not trend.flat]
    assert not_flat == [name]
    (said,) = faults(found_in(samples(**leak)))
    assert said.startswith(f"{name}: grew by")


def test_a_run_that_is_too_short_is_not_judged():
    """Its lanes are still filling; and a handful of samples makes no line."""
    made = samples(memory=50)
    assert faults(found_in(made, notifications=LEAST - 1)) == []
    with pytest.raises(ValueError, match="expected 10 at least"):
        trends(made[:12])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lost": 2}, "2 notifications never came to their end"),
        ({"repeats": 3}, "3 requests were repeated, and nothing broke"),
        ({"wrongly_signed": 1}, "1 requests had no valid signature"),
        ({"exit_code": 1}, "1 is the exit code of the worker, expected 0"),
        ({"dead_letters": 4999}, "4,999 dead letters, expected 5,000"),
    ],
)
def test_what_went_wrong_on_the_way_is_said(changes, said):
    """However flat the worker was."""
    assert faults(found_in(samples(), **changes)) == [said]


def test_each_order_is_told_once_and_once_more_after_a_u():
    """What comes beyond that is a repeat, and an order that never had an S or F is left."""
    unknown = next(n for n in range(1000) if MANNER.answer(order_of(n), 1) == "U")
    refused = next(n for n in range(1000) if MANNER.answer(order_of(n), 1) == "F")
    plain = next(n for n in range(1000) if MANNER.answer(order_of(n), 1) == "S")
    told = Told(1000)
    rows = [(unknown, "U"), (unknown, "S"), (refused, "F"), (plain, "S")]
    told.take(Receipts([Receipt(order_of(n).decode(), 0, a) for n, a in rows], 0, 400))
    assert (told.requests, told.left, told.repeats(MANNER)) == (4, 997, 0)
    told.take(Receipts([Receipt(order_of(plain).decode(), 0, "S")], 1, 400))
    assert (told.repeats(MANNER), told.wrongly_signed) == (1, 1)
    assert told.refused(MANNER) == sum(MANNER.answer(order_of(n), 1) == "F" for n in range(1000))


def test_the_plot_has_a_panel_for_each_thing_that_is_measured():
    """Each over the same axis, from 0 to the last notification."""
    drawn = ET.fromstring(picture(samples()))  # noqa: S314  # our own
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    for title in (
        "memory, MiB",
        "objects, thousands of blocks",
        "open descriptors",
        "threads",
        "tasks",
    ):
        assert title in texts
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))) == 5
    assert texts.count("1M") == 5
    assert texts.count("requests answered") == 5


def test_the_page_holds_the_table_and_the_plot(tmp_path, monkeypatch, capsys):
    """And keeps what stands around them; without a run it stays as it is, and the command says what to do."""
    page = tmp_path / "reliability.md"
    page.write_text(f"before\n{endurance_report.BEGIN}\nold\n{endurance_report.END}\nafter\n")
    monkeypatch.setattr(endurance_report, "PAGE", page)
    monkeypatch.setattr(endurance_report, "PICTURE", tmp_path / "endurance.svg")
    monkeypatch.setattr(endurance_report, "RESULTS", tmp_path / "endurance.json")
    assert endurance_report.main() == 1
    assert "make endure" in capsys.readouterr().err
    (tmp_path / "endurance.json").write_text(json.dumps(found_in(samples(threads=5))))
    assert endurance_report.main() == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "1,000,000 notifications in 17 minutes, 1,000 a second" in text
    assert "| open descriptors | " in text
    assert "| threads | " in text
    assert text.count("| yes |") == 4
    assert text.count("| **no** |") == 1
    assert "old" not in text.splitlines()
    ET.parse(tmp_path / "endurance.svg")  # noqa: S314  # our own


def test_a_run_that_ends_without_figures_leaves_none_of_an_earlier_one(
    tmp_path, monkeypatch, capsys
):
    """Which is how a loss ends: nothing more comes, and what is missing is said."""

    async def nothing_comes():
        message = "3 of 1200 events have not ended"
        raise RuntimeError(message)

    file = tmp_path / "endurance.json"
    file.write_text("{}")
    monkeypatch.setattr(endurance, "RESULTS", file)
    monkeypatch.setattr(endurance, "bench", nullcontext)
    monkeypatch.setattr(endurance, "Endurance", lambda *_: SimpleNamespace(run=nothing_comes))
    monkeypatch.setattr("sys.argv", ["endurance"])
    assert endurance.main() == 1
    assert "3 of 1200 events have not ended" in capsys.readouterr().out
    assert not file.exists()


@pytest.mark.kafka
@pytest.mark.e2e
async def test_a_short_run_delivers_everything_and_keeps_the_disk_small(running_bench, monkeypatch):
    """A real worker, over TLS, with retries and dead letters; what is settled is deleted from the topics on the way."""
    monkeypatch.setattr("benchmarks.endurance._AHEAD", 240)
    monkeypatch.setattr("benchmarks.endurance._ROUNDS", 10)
    monkeypatch.setattr("benchmarks.endurance._LOOK_EVERY_SECONDS", 0.1)
    monkeypatch.setattr("benchmarks.endurance._TIDY_EVERY_SECONDS", 0.0)
    found = await Endurance(running_bench, 1200).run()
    assert faults(found) == []
    assert found["requests"] > found["notifications"] == 1200
    assert found["refused"] > 0
    last = Sample(**found["samples"][-1])
    assert last.delivered == found["requests"]
    assert last.memory_bytes > 20 * MB
    assert min(last.descriptors, last.threads, last.tasks, last.blocks) > 0
    reader = AIOKafkaConsumer(bootstrap_servers=running_bench.broker.bootstrap)
    await reader.start()
    try:
        tags = [TopicPartition("endurance-final", number) for number in range(12)]
        assert any((await reader.beginning_offsets(tags)).values())
    finally:
        await reader.stop()
