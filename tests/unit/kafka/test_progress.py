"""What stands beside a committed offset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.progress import Progress


@given(st.integers(0, 2**62), st.frozensets(st.integers(1, 3000), max_size=300))
def test_what_is_written_is_read(offset, above):
    """As far as it fits, which it does for a span's worth of ranges."""
    made = Progress(offset, frozenset(offset + n for n in above))
    text = made.metadata()
    assert len(text) <= 4000
    assert Progress.read(offset, text) == made


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
    assert Progress(100, frozenset(finished)).metadata() == text


def test_more_than_the_broker_takes_is_left_out_from_the_top():
    """What is left out is repeated; what is written must be true."""
    made = Progress(0, frozenset(range(2, 40_000, 2)))
    text = made.metadata()
    assert 3990 < len(text) <= 4000
    read = Progress.read(0, text).finished
    assert read < made.finished
    assert read == {n for n in made.finished if n <= max(read)}


@pytest.mark.parametrize(
    "text", ["", "abc", "2:1-3", "1:x", "1:1-", "1:,", "1:-3", "1:1-2-3", "١:1"]
)
def test_a_text_that_is_not_ours_counts_as_none(text):
    """Another tool may have committed; then everything from the offset on is handled."""
    assert Progress.read(5, text) == (
        Progress(5, frozenset({6})) if text == "1:1-" else Progress(5)
    )
