"""Which events may be an order's."""

from types import SimpleNamespace

import pytest

from streams.operator.history.search import may_name


@pytest.mark.parametrize(
    "in_json", [b"shop/\xc3\xa9/7", b"shop\\/\\u00e9\\/7", b"\\u0073hop/\\u00E9/7"]
)
def test_an_event_may_name_its_order_in_any_form(in_json):
    """JSON may escape every character; what has neither the id nor an escape is not read."""
    value = b'{"payment":{"paymentRequestId":"' + in_json + b'"}}'
    assert may_name("shop/é/7")(SimpleNamespace(value=value))
    assert not may_name("shop/é/8")(SimpleNamespace(value=b'{"a":"shop/\xc3\xa9/7"}'))
    assert not may_name("x")(SimpleNamespace(value=None))
