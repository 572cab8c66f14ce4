"""Which ids a mistyped order id may have been."""

import pytest

from streams.operator.history.near_orders import nearness

ORDER = "20261122190741020001001234567"


@pytest.mark.parametrize(
    ("other", "edits"),
    [
        (ORDER, 0),
        (f" {ORDER[:5]} {ORDER[5:]}\n", 0),
        (ORDER[:-2] + "76", 1),  # swapped
        (ORDER[:7] + ORDER[8:], 1),  # one left out
        ("9" + ORDER, 1),
        ("7" + ORDER[1:-1] + "0", 2),
        (ORDER[:10] + "3" + ORDER[10:-3] + ORDER[-2:], 2),
        (ORDER[:-3] + "000", None),
        (ORDER + "123", None),
        ("", None),
    ],
)
def test_an_id_is_near_with_up_to_two_edits(other, edits):
    """Put in, left out, changed, swapped: two at most. White space counts for nothing."""
    assert nearness(ORDER)(other) == edits
    assert edits is None or nearness(other)(ORDER) == edits


def test_short_ids_are_near_to_fewer():
    """Else every id of two characters would be meant; the case of letters counts for nothing."""
    assert nearness("ab")("ac") is None
    assert nearness("ab")("AB") == 0
    assert nearness("order-7")("ORDER-8") == 1
    assert nearness("abc")("adc") == 1
    assert nearness("abc")("xyc") is None
