"""ISO 8601 as its writers write it: what they wrote stands in `tests/vectors/times.json`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.iso8601 import epoch_ms, typed_moment, typed_ms

WRITTEN = json.loads((Path(__file__).parents[2] / "vectors" / "times.json").read_bytes())


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: f"{row['writer']} {row['text']}")
def test_what_others_write_is_read_to_their_moment(row):
    """Java, GNU date, Go, Node, Perl and Python wrote these texts of moments that they were given."""
    assert epoch_ms(row["text"]) == row["epoch_ms"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-28T24:00Z", "2026-11-29T00:00:00Z"),
        ("2026-11-28T24:00:00.000+0800", "2026-11-29T00:00:00+08:00"),
        ("20261128T2400Z", "2026-11-29T00:00:00Z"),
        ("2026-12-31T24:00:00,0+08", "2027-01-01T00:00:00+08:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2017-01-01T07:59:60+08:00", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500Z"),
        ("2026-11-28T12:30:60Z", "2026-11-28T12:31:00Z"),
        ("2026-11-28T12:30-00:00", "2026-11-28T12:30:00Z"),
        ("2026-11-28T12:30:00.9999999999Z", "2026-11-28T12:30:00.999Z"),
        ("2026-11-28T12:30:00+23:59", "2026-11-27T12:31:00Z"),
        ("2024-02-29T12:30Z", "2024-02-29T12:30:00Z"),
    ],
)
def test_midnight_and_second_60_are_moments(text, same):
    """24:00 is the next day's first moment, second 60 the next minute's, a fraction is cut to milliseconds."""
    assert epoch_ms(text) == epoch_ms(same)


def test_the_last_midnight_of_all_is_a_moment():
    """The day after may be in a year that no `datetime` has."""
    assert epoch_ms("9999-12-31T24:00Z") == 253_402_300_800_000
    with pytest.raises(ValueError, match="a year from 1 to 9999"):
        typed_moment("9999-12-31T24:00Z")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28T12:30:00",
        "2026-11-28",
        "2026-11-28T12Z",
        "2026-11-28 12:30:00Z",
        "2026-11-28t12:30:00z",
        "2026-11-28T123000Z",
        "20261128T12:30:00Z",
        "2026-1128T12:30:00Z",
        "2026-11-28T12:3000Z",
        "2026-11-28T12:30.5Z",
        "2026-11-28T12:30:00.Z",
        "2026-11-28T12:30:00+8",
        "2026-11-28T12:30:00+080",
        "2026-11-28T12:30:00+08:00:00",
        "2026-11-28T12:30:00\u221208:00",
        "2026-11-28T12:30:00+08:00[Asia/Singapore]",
        "2026-W48-6T12:30:00Z",
        "2026-332T12:30:00Z",
        "+2026-11-28T12:30:00Z",
        "26-11-28T12:30:00Z",
        "2026-11-28T12:30:00Z\n",
        " 2026-11-28T12:30:00Z",
        "\uff12026-11-28T12:30:00Z",
        "1795840200000",
        "",
    ],
)
def test_other_forms_are_refused(text):
    """No offset, mixed forms, weeks, blanks: the message says what was expected and quotes nothing."""
    with pytest.raises(
        ValueError, match=r"^expected an ISO 8601 .* like 2026-11-28T12:30:00\+08:00$"
    ):
        epoch_ms(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T12:30Z",
        "2026-13-01T12:30Z",
        "2026-00-01T12:30Z",
        "2026-11-31T12:30Z",
        "0000-01-01T00:00Z",
        "2026-11-28T24:00:00.001Z",
        "2026-11-28T24:00:01Z",
        "2026-11-28T24:01Z",
        "2026-11-28T25:00Z",
        "2026-11-28T23:60Z",
        "2026-11-28T23:59:61Z",
        "2026-11-28T12:30+24:00",
        "2026-11-28T12:30+08:60",
    ],
)
def test_what_never_was_is_refused(text):
    """No such day, time or offset, whatever the form."""
    with pytest.raises(ValueError, match=r"^there is no such day, time or offset$"):
        epoch_ms(text)


def test_people_may_leave_the_t_out():
    """What is typed in a setting or an option may have a blank there, as Python and SQL print it."""
    assert typed_ms(" 2026-11-28 12:30Z ") == 1_795_869_000_000
    assert typed_moment("2026-11-28 12:30:00+0800") == datetime(2026, 11, 28, 4, 30, tzinfo=UTC)
