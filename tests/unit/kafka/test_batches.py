"""Every batch that Kafka allows is read, and what can't be is said and passes nothing over: `streams.kafka.format.batches`."""

import random  # noqa: TID251  # seeded
import zlib

import cramjam
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.format import codecs
from streams.kafka.format.batches import NotGiven, RecordSet
from streams.kafka.format.unreadable import PartitionRecords
from tests.support.batches import (
    CODECS,
    GZIP,
    LOG_APPEND_TIME,
    LZ4,
    SNAPPY,
    TIME_MS,
    ZSTD,
    Row,
    batch,
    compressed,
    flipped,
    old_record,
    old_set,
    record,
    rows,
    sized,
    varint,
    with_checksum,
    xerial,
)

CHECKED = True


def read(raw, position=0, aborted=None):
    """Read what a fetch brought as a consumer does."""
    return PartitionRecords(
        TopicPartition("t", 0),
        RecordSet(raw),
        aborted,
        position,
        None,
        None,
        CHECKED,
        READ_COMMITTED,
    )


def values(raw, position=0):
    """Return offsets and values, and what was wrong in the end."""
    records = read(raw, position)
    found = [(seen.offset, seen.value) for seen in records]
    return found, records.fault


def expected(count, offset=0):
    """Return what `values` gives of so many rows."""
    return [(offset + number, b"value-%d" % number) for number in range(count)]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_every_codec_is_read(codec):
    """Keys, null values, binary and null headers, and repeated ones: to the byte, whatever compressed them."""
    headers = ((b"a", b"1"), (b"a", b"\x00\xff"), (b"none", None), (b"empty", b""))
    wanted = [Row(b"v" * 3000, b"k", headers), Row(None, b"tombstone"), Row(b"", None)]
    found = list(read(batch(wanted, 40, codec)))
    assert [(seen.offset, seen.key, seen.value) for seen in found] == [
        (40 + number, row.key, row.value) for number, row in enumerate(wanted)
    ]
    assert found[0].headers == tuple((name.decode(), value) for name, value in headers)
    assert {seen.timestamp for seen in found} == {TIME_MS, TIME_MS + 1, TIME_MS + 2}


def test_javas_form_of_snappy_is_read():
    """The Java library writes blocks behind a head of its own, librdkafka and others one block as it is."""
    inside = b"".join(record(delta, row) for delta, row in enumerate(rows(20)))
    raw = batch(inside, 0, SNAPPY, packed=xerial(inside), count=20, last_delta=19)
    assert values(raw) == (expected(20), "")


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4"])
def test_old_versions_are_read(magic, codec):
    """Records and compressed sets of versions 0 and 1, which no broker of today takes and any may still hold."""
    if codec == "none":
        raw = b"".join(
            old_record(magic, 7 + number, row.key, row.value) for number, row in enumerate(rows(5))
        )
    else:
        raw = old_set(magic, CODECS[codec], rows(5), 7)
        if (magic, codec) == (0, "lz4"):
            with pytest.raises(
                cramjam.DecompressionError
            ):  # the wrong checksum that Kafka wrote then
                codecs.unlz4(raw[26:])
    assert values(raw, 7) == (expected(5, 7), "")
    (seen, *_) = read(raw, 7)
    assert (seen.key, seen.headers) == (b"key-0", ())
    assert seen.timestamp == (None if magic == 0 else TIME_MS)


def test_lz4_of_version_0_has_its_checksum_mended():
    """Against a frame's own, by lz4 itself: with and without the content's size in its head."""
    for data in (b"", b"x", b"value" * 100):
        frame = bytearray(compressed(LZ4, data))
        sized = frame[4] & 8
        end = 14 if sized else 6
        right = frame[end]
        frame[end] ^= 0xFF
        assert codecs._xxh32(bytes(frame[4:end])) >> 8 & 0xFF == right
        assert bytes(codecs.unlz4_of_version_0(frame)) == data
    assert codecs._xxh32(b"") == 0x02CC5D05
    assert codecs._xxh32(b"abc") == 0x32D153FF


def test_an_old_set_is_read_on_from_its_middle():
    """A set comes whole; what was read of it before is left out. Its time is the broker's where the topic says so."""
    raw = old_set(1, GZIP, rows(5), 7, LOG_APPEND_TIME)
    assert values(raw, 10) == (expected(5, 7)[3:], "")
    assert {seen.timestamp for seen in read(raw)} == {TIME_MS + 1}


def test_a_tombstone_of_an_old_version_is_read():
    """No key and no value: each is one of the forms."""
    (seen,) = read(old_record(1, 3, None, None))
    assert (seen.offset, seen.key, seen.value) == (3, None, None)


def test_versions_may_change_within_an_answer():
    """Where a log goes from one version to the next; aiokafka's own reader takes all for the first one's."""
    raw = old_record(0, 0, b"key", b"value-0") + old_set(1, SNAPPY, rows(3), 1)
    raw += batch(rows(2), 4, ZSTD) + old_record(1, 6, None, b"value-0")
    found, fault = values(raw)
    assert [offset for offset, _ in found] == list(range(7))
    assert not fault


def test_header_names_may_be_any_bytes():
    """In a compressed batch as well, whose other records are given once."""
    wanted = [Row(b"0"), Row(b"1", headers=((b"\xff\xfe", b"x"),)), Row(b"2")]
    found = list(read(batch(wanted, 5, LZ4)))
    assert [(seen.offset, seen.value) for seen in found] == [(5, b"0"), (6, b"1"), (7, b"2")]
    assert found[1].headers == (("\udcff\udcfe", b"x"),)


def test_an_answers_last_batch_may_be_cut_off():
    """It is asked for again; only the first must be whole."""
    first, second = batch(rows(3)), batch(rows(3), 3)
    for kept in (1, 11, 12, 16, 17, len(second) - 1):
        assert values(first + second[:kept]) == (expected(3), "")
    found, fault = values(first[:-1])
    assert (found, fault) == (
        [],
        f"it is cut off: {len(first) - 1} bytes of it came, of {len(first)}",
    )
    assert values(b"") == ([], "")
    assert values(None) == ([], "")


def test_compaction_leaves_holes():
    """Offsets that are gone, between records and at a batch's end, are passed over."""
    inside = record(1, Row(b"1")) + record(4, Row(b"4"))
    records = read(batch(inside, 10, count=2, last_delta=9) + batch([], 20, last_delta=2))
    assert [seen.offset for seen in records] == [11, 14]
    assert records.next_fetch_offset == 23


def test_transactions_that_were_aborted_are_left_out_unread():
    """Also where their batch could not be decompressed: nobody was to have them."""
    bad = batch(b"", 0, ZSTD, attributes=ZSTD | 0x10, packed=b"nothing", producer=7, last_delta=4)
    marker = batch([Row(b"\0\0\0\0\0\0", b"\0\0\0\0")], 5, attributes=0x30, producer=7)
    records = read(bad + marker + batch(rows(1), 6), aborted=[(7, 0)])
    assert [seen.offset for seen in records] == [6]
    assert not records.fault


LYING = {
    "a length beyond the batch": (varint(5000) + b"\0" * 9, "Can't read|Invalid record size"),
    "a negative key": (sized(b"\0\0\0" + varint(-5) + sized(b"v") + b"\0"), ""),
    "a value beyond the batch": (sized(b"\0\0\0\1" + varint(2**62)), "Can't read"),
    "a value of almost all there is": (sized(b"\0\0\0\1" + varint(2**63 - 1)), ""),
    "a number without an end": (sized(b"\0\0\0\1" + b"\xff" * 30), "Out of double range"),
    "more headers than bytes": (sized(b"\0\0\0\1\1" + varint(2**40)), "Can't read"),
    "a negative number of headers": (sized(b"\0\0\0\1\1" + varint(-2)), "number of record headers"),
    "an offset below the batch": (
        sized(b"\0\0" + varint(-3) + sized(b"k") + sized(b"v") + b"\0"),
        "offset -1",
    ),
    "an offset beyond the batch": (
        sized(b"\0\0" + varint(2**31) + sized(b"k") + sized(b"v") + b"\0"),
        "offset 2147483650",
    ),
}


@pytest.mark.parametrize("codec", [0, ZSTD], ids=["none", "zstd"])
@pytest.mark.parametrize("name", LYING)
def test_numbers_that_lie_end_nothing(name, codec):
    """Their checksum is right, so a writer made them so: they are said, and no offset behind them is taken."""
    inside, says = LYING[name]
    records = read(batch(rows(2), 0) + batch(inside, 2, codec) + batch(rows(2), 3))
    found = list(records)
    if name == "a negative key":  # what is below nought is none
        assert not records.fault
        return
    assert [seen.offset for seen in found] == [0, 1]
    assert records.next_fetch_offset == 2
    assert records.behind == 3
    assert any(text in records.fault for text in says.split("|")), records.fault


DAMAGED = {
    "checksum": (flipped(batch(rows(3), 3), 80), "wrong checksum (CRC)"),
    "codec": (batch(rows(3), 3, attributes=5), "Unknown compression codec 0x05"),
    "magic": (batch(rows(3), 3, magic=3), "records of version 3, which nobody knows"),
    "negative magic": (batch(rows(3), 3, magic=-1), "records of version 255"),
    "count": (batch(rows(3), 3, count=4), "Can't read 1 bytes"),
    "count less": (batch(rows(3), 3, count=2), "unconsumed bytes"),
    "count below": (batch(rows(3), 3, count=-1), "unconsumed bytes"),
    "repeated": (batch(record(0, Row(b"v")) * 2, 3, count=2, last_delta=2), "expected one above"),
    "ends early": (batch(rows(3), 3, last_delta=-1), "ends before its beginning"),
    "gzip": (batch(b"", 3, GZIP, packed=b"nothing", last_delta=2), "can't be decompressed"),
    "snappy": (batch(b"", 3, SNAPPY, packed=b"\xff" * 9, last_delta=2), "can't be decompressed"),
    "xerial": (
        batch(b"", 3, SNAPPY, packed=xerial(b"x" * 300)[:-3], last_delta=2),
        "a snappy block says",
    ),
    "lz4": (batch(b"", 3, LZ4, packed=b"nothing", last_delta=2), "can't be decompressed"),
    "zstd": (batch(b"", 3, ZSTD, packed=b"nothing", last_delta=2), "can't be decompressed"),
    "cut gzip": (
        batch(b"", 3, GZIP, packed=compressed(GZIP, b"x" * 99)[:-9], last_delta=2),
        "end too early",
    ),
    "cut lz4": (
        batch(b"", 3, LZ4, packed=compressed(LZ4, b"x" * 99)[:-9], last_delta=2),
        "can't be decompressed",
    ),
    "cut zstd": (
        batch(b"", 3, ZSTD, packed=compressed(ZSTD, b"x" * 99)[:-9], last_delta=2),
        "incomplete frame",
    ),
    "short": (with_checksum(batch(rows(3), 3)[:8] + b"\0\0\0\x20" + batch(rows(3), 3)[12:44]), "its head alone"),
    "old checksum": (flipped(old_record(1, 3, b"k", b"v"), 30), "wrong checksum"),
    "old codec": (old_record(1, 3, None, b"v", 7), "Unknown compression codec 0x07"),
    "old endless": (
        old_record(1, 3, None, compressed(GZIP, b"\0" * 8 + b"\xff\xff\xff\xf4" + b"\0" * 30), GZIP),
        "says that it has -12 bytes",
    ),
    "old long key": (
        old_record(1, 3, None, compressed(GZIP, old_record(1, 0, b"kk", b"v")[:26] + b"\0\0\x7f\xff" + b"\0" * 7), GZIP),
        "says that it has 32767 bytes",
    ),
    "length": (b"\0" * 8 + b"\xff\xff\xff\xf4" + b"\0" * 60, "its length can't be right"),
    "refused": (NotGiven(b"2 (CORRUPT_MESSAGE)"), "the broker can't give it: 2 (CORRUPT_MESSAGE)"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_holds_its_place(name):
    """Nothing behind it is given, the position stays at it, and one sentence says what is wrong."""
    raw, says = DAMAGED[name]
    before = b"" if name == "refused" else batch(rows(3))
    behind = b"" if name == "refused" else batch(rows(3), 6)
    records = read(before + raw + behind if before else raw, 0 if before else 3)
    found = [seen.offset for seen in records]
    assert [offset for offset in found if offset > 5] == []
    assert records.next_fetch_offset == max([*found, 2]) + 1
    assert says in records.fault


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD], ids=["gzip", "snappy", "lz4", "zstd"])
def test_a_bomb_is_not_set_off(codec, monkeypatch):
    """What would take more memory than a batch may is refused while it is decompressed; what just fits is read."""
    monkeypatch.setattr(codecs, "MOST_BYTES", 1_000_000)
    small = [Row(b"x" * 900_000)]
    assert [len(seen.value) for seen in read(batch(small, 0, codec))] == [900_000]
    large = read(batch([Row(b"x" * 1_000_000)], 0, codec))
    assert list(large) == []
    assert large.fault == "decompresses to more than 0 MiB"


def test_javas_snappy_is_bounded_as_a_whole(monkeypatch):
    """Its blocks are small, and many."""
    monkeypatch.setattr(codecs, "MOST_BYTES", 10_000)
    with pytest.raises(codecs.BatchTooLarge):
        codecs.unsnappy(xerial(b"x" * 10_001))
    assert bytes(codecs.unsnappy(xerial(b"x" * 10_000))) == b"x" * 10_000


@given(st.binary(max_size=3000), st.integers(1, 3))
def test_what_was_compressed_comes_back(data, times):
    """Also in several frames or members one after the other, which gzip, lz4 and zstd allow."""
    for codec, decode in ((GZIP, codecs.gunzip), (LZ4, codecs.unlz4), (ZSTD, codecs.unzstd)):
        assert bytes(decode(compressed(codec, data) * times)) == data * times
    assert bytes(codecs.unsnappy(bytes(cramjam.snappy.compress_raw(data)))) == data
    assert bytes(codecs.unsnappy(xerial(data))) == data


class Members:
    """zlib as `gunzip` uses it; counts the bytes that each member is given, of which the library copies what it leaves."""

    def __init__(self):
        self.given = 0

    def decompressobj(self, wbits):
        members, real = self, zlib.decompressobj(wbits=wbits)

        class Member:
            eof = property(lambda _: real.eof)
            unused_data = property(lambda _: real.unused_data)

            def decompress(self, data, most):
                members.given += len(data)
                return real.decompress(data, most)

        return Member()


def test_very_many_members_take_no_more_time_each(monkeypatch):
    """Empty ones took seconds when what follows was copied for each."""
    monkeypatch.setattr(codecs, "zlib", members := Members())
    count, empty = 2000, bytes(compressed(GZIP, b""))
    packed = (empty + b"\0\0") * count + bytes(compressed(GZIP, b"x"))
    assert codecs.gunzip(packed) == b"x"
    assert members.given <= 1024 * (count + 1)


def test_a_long_member_is_read_in_few_pieces():
    """And one that ends too early is damaged, wherever a piece ends."""
    data = random.Random(1).randbytes(300_000)  # noqa: S311  # no secret
    packed = bytes(compressed(GZIP, data))
    assert codecs.gunzip(packed + b"\0" * 5000) == data
    for end in (1, 1024, 1024 + 2048, len(packed) - 1):
        with pytest.raises(EOFError):
            codecs.gunzip(packed[:end])


SEEDS = [
    *(batch(rows(4), 0, codec) for codec in CODECS.values()),
    *(old_set(magic, codec, rows(4)) for magic in (0, 1) for codec in (GZIP, SNAPPY)),
    old_set(1, LZ4, rows(4)),
    old_record(0, 0, b"k", b"v"),
    batch(rows(2)) + old_set(1, SNAPPY, rows(2), 2) + batch(rows(2), 4, LZ4),
]


@given(st.integers(0, len(SEEDS) - 1), st.integers(0, 2**32), st.booleans())
def test_whatever_comes_ends_in_a_fault_or_in_records(which, seed, mend):
    """Random damage, the checksum made right over it or not: offsets rise, and the process lives."""
    rng = random.Random(seed)  # noqa: S311  # no secret
    raw = bytearray(SEEDS[which])
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(raw))
        raw[at : at + rng.choice((1, 1, 4))] = rng.choice(
            (rng.randbytes(1), b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\0")
        )
    data = bytes(raw)
    if mend and len(data) > 61 and data[16] == 2:
        data = with_checksum(data)
    last = -1
    for seen in read(data):
        assert seen.offset > last
        last = seen.offset
