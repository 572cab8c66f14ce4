"""The arithmetic of the benchmark, on receipts made by hand."""

import math
from dataclasses import replace

import pytest

from benchmarks.backlog import Backlog, Mould, number_of, order_of
from benchmarks.figures import Account, Sample, figures, quantile
from benchmarks.generator import Plan
from benchmarks.receiver import Manner
from benchmarks.receiver_process import Receipt, Receipts
from benchmarks.systems import System

SECOND = 1_000_000_000


def receipts(*rows, wrongly_signed=0):
    """Make receipts from (order number, second, answer)."""
    found = [Receipt(order_of(number).decode(), round(at * SECOND), a) for number, at, a in rows]
    return Receipts(found, wrongly_signed, 400)


def figures_of(seen, settled, standing=(), *, refusals_stand=True):
    """Return the figures of a window from second 1 to second 3, with 0.5 s of CPU used in it."""
    return figures(
        "x",
        begin=Sample(SECOND, 1.0, 0.2, 0.3),
        end=Sample(3 * SECOND, 1.5, 0.4, 0.9),
        account=Account.of(seen),
        receipts=seen,
        peak_memory_mb=80.0,
        settled=settled,
        standing=standing,
        refusals_stand=refusals_stand,
    )


def test_only_first_acceptances_within_the_window_count():
    """A delivery counts at its first S, inside the window; a second S is a repeat, not a delivery."""
    seen = receipts(
        (0, 0.5, "S"), (1, 1.0, "S"), (2, 1.5, "U"), (2, 2.0, "S"), (1, 2.5, "S"), (3, 3.0, "S")
    )
    found = figures_of(seen, {0, 1, 2, 3})
    assert (found.deliveries, found.per_second, found.repeats, found.lost) == (2, 1.0, 1, 0)
    assert found.cpu_ms == pytest.approx(250)
    assert found.cpu_cores == pytest.approx(0.25)
    assert found.receiver_cores == pytest.approx(0.1)
    assert found.broker_cores == pytest.approx(0.3)


def test_what_was_settled_and_not_accepted_is_lost_unless_it_stands_somewhere():
    """A committed order without S is lost, or waiting when a topic of the system holds it; one that was not committed is neither."""
    seen = receipts((0, 1.5, "S"), (1, 1.6, "U"), (2, 1.7, "F"), (4, 1.8, "U"))
    found = figures_of(seen, {0, 1, 2, 3}, standing={1})
    assert (found.settled, found.waiting, found.lost) == (4, 1, 2)
    assert found.faults == ["x: 2 lost"]
    assert figures_of(seen, {0, 1, 2, 3}, standing={1}, refusals_stand=False).lost == 1


def test_a_window_without_deliveries_is_no_figure():
    """A system that delivered nothing while it was measured fails the run; it does not come out as 0."""
    with pytest.raises(RuntimeError, match="delivered nothing within the window"):
        figures_of(receipts((0, 0.5, "S")), {0})


def test_a_wrong_signature_is_a_fault():
    """A run in which a request was not rightly signed says so."""
    assert figures_of(receipts((0, 2, "S"), wrongly_signed=1), {0}).faults == [
        "x: 1 wrongly signed"
    ]


def test_latency_runs_from_the_due_moment_and_ends_with_the_first_acceptance():
    """Orders that were due within the window count, from when they were due, retries included; the wake-up backlog does not."""
    plan = Plan("", "t", 2, [], first=2, per_second=2.0, seconds=2.0)
    seen = receipts(
        (0, 0.9, "S"), (2, 1.2, "S"), (3, 1.6, "U"), (3, 1.9, "S"), (4, 2.3, "S"), (5, 2.9, "S")
    )
    assert plan.count == 4
    found = latency(seen, plan, range(2, 6))
    # due at 1.5, 2.0 and 2.5; order 2 was due at 1.0, before the window
    assert (found.p50_ms, found.p99_ms, found.max_ms) == pytest.approx((400, 400, 400))
    assert found.missing == 0


def latency(seen, plan, numbers):
    """Return the latencies of orders that were due between second 1.5 and second 3."""
    return Account.of(seen).latency(
        lambda number: plan.due_ns(number, SECOND), numbers, round(1.5 * SECOND), 3 * SECOND, 1.0
    )


def test_what_never_came_has_no_end():
    """It is among the slowest instead of being left out, and a fault; where nothing came there is no latency."""
    plan = Plan("", "t", 2, [], first=0, per_second=200.0, seconds=2.0)
    orders = range(400)
    seen = receipts(*((number, 1 + number / 200 + 0.02, "S") for number in orders if number % 50))
    found = latency(seen, plan, orders)
    assert found.missing == 6  # 100, 150 and so on: 2 of 100
    assert found.p50_ms == pytest.approx(20)
    assert found.p99_ms == found.max_ms == math.inf
    assert replace(figures_of(seen, orders), latency=found, lost=0).faults == ["x: 6 never came"]
    with pytest.raises(RuntimeError, match="nothing that was due within the window"):
        latency(receipts(), plan, orders)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1), (0.991, 100)]
)
def test_quantiles_are_values_that_were_seen(share, expected):
    """A quantile is the smallest value that at least so many do not exceed."""
    assert quantile(range(1, 101), share) == expected


def test_offsets_tell_the_orders():
    """Record i of partition p is order i x partitions + p, so committed offsets name what was settled."""
    backlog = Backlog("t", 3, 12)
    assert sorted(backlog.settled({0: 2, 1: 1, 2: 0})) == [0, 1, 3]
    assert number_of(order_of(7).decode()) == 7
    with pytest.raises(ValueError, match="no event had"):
        number_of("other")


def test_a_mould_changes_the_ids_only():
    """Each event made from one mould has ids of its own and is the same otherwise."""
    event = {
        "eventId": "e",
        "profile": "acquirer-to-alipay-plus",
        "payment": {"paymentId": "p", "paymentRequestId": "r"},
    }
    made = Mould.of(event).cast(b"bench-1")
    assert made == (
        b'{"eventId":"evt-bench-1","profile":"acquirer-to-alipay-plus",'
        b'"payment":{"paymentId":"bench-1","paymentRequestId":"r"}}'
    )


def test_the_receiver_answers_the_same_orders_alike_in_every_run():
    """About as many orders as asked are answered U the first time and S then, or F each time."""
    manner = Manner(unknown_of_1000=50, refused_of_1000=10)
    first = [manner.answer(order_of(number), 1) for number in range(10_000)]
    again = [manner.answer(order_of(number), 2) for number in range(10_000)]
    assert 400 < first.count("U") < 600
    assert 50 < first.count("F") < 150
    assert again.count("U") == 0
    assert again.count("F") == first.count("F")


@pytest.mark.parametrize(
    ("text", "name", "processes"), [("notifier-2", "notifier", 2), ("faust", "faust", 1)]
)
def test_systems_are_read(text, name, processes):
    """A name with a number is so many processes of a system."""
    system = System.parse(text)
    assert (system.name, system.processes, str(system)) == (name, processes, text)


def test_an_unknown_system_is_refused():
    """A slip in a system's name is said, with the names that there are."""
    with pytest.raises(ValueError, match="expected one of notifier, aiokafka-httpx"):
        System.parse("notifer-1")
