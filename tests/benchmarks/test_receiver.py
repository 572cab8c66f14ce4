"""What the receiver notes."""

from benchmarks.receiver import Receiver
from streams.sandbox.keys import make_keys


def test_an_order_that_is_told_twice_is_one_order(tmp_path):
    """Else the wait for all orders would end with one missing for each repeat."""
    make_keys(tmp_path)
    receiver = Receiver(tmp_path)
    for order in (b"1", b"1", b"2"):
        receiver.take(b"POST /p HTTP/1.1", b'{"paymentRequestId":"%b"}' % order)
    assert (receiver.count, receiver.orders) == (3, 2)
