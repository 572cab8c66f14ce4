"""What stands beside a committed offset."""

import tracemalloc

import pytest

from streams.kafka.committed_state import CommittedState, short_name


@pytest.mark.parametrize(
    ("finished", "text"),
    [
        ((), ""),
        ((101,), "1:1"),
        ((101, 102, 103, 110, 112, 113), "1:1-3,10,12-13"),
    ],
)
def test_ranges_are_relative_to_the_offset(finished, text):
    """This form is read by the next version of the program too."""
    assert CommittedState(100, frozenset(finished)).metadata() == text


def test_more_than_the_broker_takes_is_left_out_from_the_top():
    """What is left out is repeated; what is written must be true."""
    made = CommittedState(0, frozenset(range(2, 40_000, 2)))
    text = made.metadata()
    assert 3990 < len(text) <= 4000
    read = CommittedState.read(0, text).finished
    assert read < made.finished
    assert read == {n for n in made.finished if n <= max(read)}


def test_one_long_range_is_cut_at_what_is_read_back():
    """What a worker writes, every worker reads."""
    made = CommittedState(7, frozenset(range(8, 8 + 65_536)))
    assert CommittedState.read(7, made.metadata()) == made
    assert CommittedState(7, made.finished | {8 + 65_536}).metadata() == ""


ID = "a5ZlWtEZRI6FB37WkAw1iw@00c0ffee"
OTHER = "SsLEHyA5RgKxipnYad7BQw@00c0ffee"
MIRRORED = "SsLEHyA5RgKxipnYad7BQw@0badcafe"


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (CommittedState(100, topic_id=ID), f"2:{ID}::"),
        (CommittedState(100, frozenset({101, 102}), ID), f"2:{ID}:1-2:"),
        (
            CommittedState(100, frozenset({105}), ID, frozenset({"65d29b32", "0a000001"})),
            f"2:{ID}:5:0a000001,65d29b32",
        ),
        (CommittedState(100, have_read=frozenset({"65d29b32"})), "2:::65d29b32"),
    ],
)
def test_the_topic_stands_beside_the_offset(made, text):
    """Its id, and by short names which topics the group has read."""
    assert made.metadata() == text
    assert CommittedState.read(100, text) == made


def test_ranges_make_room_for_the_rest():
    """The broker takes so many bytes of all of it."""
    names = frozenset(f"{n:08x}" for n in range(1000))
    made = CommittedState(0, frozenset(range(2, 40_000, 2)), ID, names)
    text = made.metadata()
    assert 3950 < len(text) <= 4000
    read = CommittedState.read(0, text)
    assert read.topic_id == ID
    assert len(read.have_read) == 100
    assert read.finished
    short = made.metadata(950)
    assert 900 < len(short) <= 950
    assert CommittedState.read(0, short).finished < read.finished
    assert made.metadata(900) == made.metadata(0) == ""


@pytest.mark.parametrize(
    ("written", "now", "offset", "finished", "another"),
    [
        (ID, ID, 7, {9}, False),
        ("", ID, 7, {9}, False),
        (ID, "", 7, {9}, False),
        (OTHER, ID, 0, set(), True),
        (MIRRORED, ID, 7, set(), False),
    ],
)
def test_an_offset_counts_for_its_own_topic(written, now, offset, finished, another):
    """Not for another one of the same name; of what a mirror brought the offset was translated, the text was not."""
    progress = CommittedState(7, frozenset({9}), written)
    assert (progress.within(now).offset, set(progress.within(now).finished)) == (offset, finished)
    assert progress.is_of_another(now) is another


def test_short_names_of_topics():
    """They are written into commits, and must not change."""
    assert short_name("payments") == "65d29b32"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1:",
        "abc",
        "2:1-3",
        "11:1",
        "1:x",
        "1:1-",
        "1:,",
        "1:1,",
        "1:,1",
        "1:1,,2",
        "1:-3",
        "1:1-2-3",
        "1:3-1",
        "1:7,3-1",
        "1:+1",
        "1: 1",
        "1:1_0",
        "1:1\n",
        "1:0x1",
        "1:1.0",
        "2:abc::",
        f"2:{ID}",
        f"2:{ID}:",
        f"2:{ID}:1-:",
        f"2:{ID}::65D29B32",
        f"2:{ID}::65d29b32,",
        f"2:{ID[:22]}::",
        "\u0661:1",
        "1:\u0661",
        "1:\u00b2",
    ],
)
def test_a_text_that_is_not_ours_counts_as_none(text):
    """Another tool may have committed, or half of a text was kept; then all from the offset on is handled."""
    assert CommittedState.read(5, text) == CommittedState(5)


@pytest.mark.parametrize(
    "text",
    [
        "1:0-99999999999",
        "1:0-9999999999999999999",
        "1:1-65537",
        f"1:{'9' * 5000}",
        f"1:0-{'9' * 5000}",
        "1:" + ",".join(["1-60000"] * 500),
        "1:1,2,3," + ",".join(f"{n}-{n + 50_000}" for n in range(10, 3000, 10)),
    ],
)
def test_a_text_that_claims_too_much_costs_no_memory(text):
    """Whoever may commit for the group could otherwise stop every worker that gets the partition."""
    tracemalloc.start()
    try:
        assert CommittedState.read(5, text) == CommittedState(5)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
