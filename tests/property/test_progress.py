"""Laws of the text beside a committed offset."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kafka.committed_state import CommittedState

offsets = st.integers(0, 2**62)
spread = st.frozensets(st.integers(0, 2**40), max_size=200)
dense = st.frozensets(st.integers(0, 3000), max_size=300)
texts = st.text("0123456789-,:", max_size=60)
ids = st.just("") | st.from_regex(r"[A-Za-z0-9_-]{22}@[0-9a-f]{8}", fullmatch=True)
names = st.frozensets(st.integers(0, 2**32 - 1).map("{:08x}".format), max_size=100)


@given(offsets, spread | dense, ids, names)
@settings(deadline=None)
def test_what_is_written_is_read(offset, above, topic_id, have_read):
    """As long as it fits, which it does for a span's worth of ranges."""
    made = CommittedState(offset, frozenset(offset + n for n in above), topic_id, have_read)
    assert len(made.metadata().encode()) <= 4000
    assert CommittedState.read(offset, made.metadata()) == made


@given(offsets, st.integers(300, 2000), st.integers(1, 3), st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_what_does_not_fit_is_cut_from_the_top(offset, ranges, long, gap):
    """The lowest are kept, since those are repeated first; none is invented."""
    step = long + gap
    above = {offset + n * step + k for n in range(ranges) for k in range(long)}
    made = CommittedState(offset, frozenset(above))
    text = made.metadata()
    assert len(text.encode()) <= 4000
    kept = CommittedState.read(offset, text)
    assert kept.offset == offset
    assert kept.finished <= made.finished
    assert kept.finished
    assert kept.finished == {n for n in made.finished if n <= max(kept.finished)}


@given(offsets, texts | texts.map("1:".__add__) | texts.map("2:".__add__) | st.text(max_size=20))
@settings(deadline=None)
def test_no_text_makes_it_raise(offset, text):
    """And none counts for anything below the committed offset."""
    read = CommittedState.read(offset, text)
    assert read.offset == offset
    assert all(n >= offset for n in read.finished)
    assert CommittedState.read(offset, read.metadata()) == read
