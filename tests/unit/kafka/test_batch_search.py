"""Whether a record's value has a text as a whole; the search itself is tested with a broker."""

import json

import pytest

from streams.kafka.reader.batch_search import _forms_of, _holds

ID = "id-7"


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ({"a": [1, None, {"b": ID}]}, True),
        ([ID], True),
        (ID, True),
        ({"payload": json.dumps({"id": ID})}, True),
        ({"payload": json.dumps({"id": f"{ID}8"})}, False),
        ({"payload": f"see {ID} there"}, False),
        ({ID: True, "b": f"{ID}8"}, False),
        (7, False),
    ],
)
def test_an_id_is_a_string_of_the_json(value, holds):
    """However deep, also in JSON that stands in a string, as an outbox has its payload; no part of a text, no name."""
    assert _holds(json.dumps(value).encode(), ID) is holds


@pytest.mark.parametrize("value", [b"\0\0\0\0\7id-7", b"[" * 100_000 + b"id-7"])
def test_what_is_no_json_may_have_it_anywhere(value):
    """Avro, and what only looks like JSON: it is shown rather than passed over."""
    assert _holds(value, ID)


@pytest.mark.parametrize(
    "written",
    [b'a/\xc3\xa9"', rb"a/\u00e9\"", rb"a\/\u00e9\"", rb"a\/\u00E9\"", b'a\\/\xc3\xa9\\"'],
)
def test_an_id_is_found_as_any_writer_of_json_escapes_it(written):
    """Slashes too, as PHP does, and hexadecimal in capitals, as Jackson does."""
    assert written in _forms_of('a/é"')
    assert _forms_of("evt-7") == (b"evt-7",)
