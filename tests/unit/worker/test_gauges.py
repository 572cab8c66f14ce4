"""What a scrape shows of the moment."""

from streams.telemetry.partner_gauges import PartnerGauges
from streams.worker.gauges import Gauges
from tests.unit.bench import Bench


def test_a_write_that_waits_is_shown():
    """An alert is made of it: what brokers refuse for a while counts as no failed try."""
    bench = Bench()
    writes, metrics = bench.settler.writes, bench.metrics
    partners = PartnerGauges(metrics)
    gauges = Gauges((), bench.admission, partners, metrics, bench.clock, 5.0, writes)
    begun = bench.clock.now_seconds()
    with writes.under_way():
        bench.clock.ms += 60_000
        gauges.refresh()
        assert bench.count("notifier_oldest_write_timestamp_seconds") == begun
    gauges.refresh()
    assert bench.count("notifier_oldest_write_timestamp_seconds") == 0
