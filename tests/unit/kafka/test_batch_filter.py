"""Picking the batches with a key from bytes: every version and codec, and damaged ones."""

import pytest

from streams.kafka.format.batch_filter import BatchFilter, key_in_record
from streams.kafka.format.batches import NotGiven
from tests.support.batches import CODECS, TIME_MS, Row, batch, flipped, old_record, rows

KEY = b"2026112219074102000100"


def kept(raw, key=KEY):
    return BatchFilter(key_in_record(key)).batches("t", raw)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_only_batches_with_the_key_are_kept(codec):
    """Whatever the compression; what was passed is counted with its time, and the offset behind all of it is known."""
    with_key = batch([*rows(5), Row(b"value", KEY), *rows(5)], 10, codec)
    raw = batch(rows(10), 0, codec) + with_key + batch(rows(3), 21, codec)
    judge = BatchFilter(key_in_record(KEY))
    assert judge.batches("t", raw) == (with_key, 24)
    assert (judge.passed, judge.oldest_ms) == (24, {"t": TIME_MS})


@pytest.mark.parametrize("length", [1, 22, 63, 64, 200, 9000])
def test_keys_of_every_length_are_found(length):
    """The length before a key takes one to three bytes. A key that is another's beginning does not count as it."""
    key = b"k" * length
    assert kept(batch([Row(b"v", key)]), key)[0]
    assert not kept(batch([Row(b"v", key + b"x")]), key)[0]


def test_what_can_not_be_judged_is_kept_for_the_decoder():
    """A wrong checksum, damaged compression, an old version, a marker of a transaction, an error in records' place."""
    damaged = flipped(batch(rows(4)), 80)
    lies = batch(rows(4), codec=4, packed=b"no zstd")
    old = old_record(1, 4, b"other", b"value")
    marker = batch(rows(1), attributes=0x30, producer=5)
    for raw in (damaged, lies, old, marker):
        assert kept(raw)[0] == raw
        assert kept(batch(rows(4)) + raw)[0] == raw
    refused = NotGiven(b"2 (CorruptRecord)")
    assert kept(refused) == (refused, 0)


def test_a_batch_that_is_cut_off_comes_with_the_next_answer():
    """Brokers cut an answer where its size is reached; a first one that is cut off is for the decoder to judge."""
    whole, cut = batch(rows(4)), batch([Row(b"v", KEY)], 4)[:-3]
    assert kept(whole + cut) == (b"", 4)
    assert kept(cut)[0] == cut
    assert kept(whole + cut[:5]) == (b"", 4)
