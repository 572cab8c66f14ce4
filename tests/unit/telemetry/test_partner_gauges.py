"""What is shown of partners: each of the first hundred, and of all others together what an alert must not miss."""

from types import SimpleNamespace

import pytest

from streams.telemetry.families import MOST_DECLARED
from streams.telemetry.metrics import PARTNER, Metrics
from streams.telemetry.partner_gauges import PartnerGauges

PAUSED = "notifier_partner_paused"
BEGINS = "notifier_signing_key_from_timestamp_seconds"
EXPIRY = "notifier_tls_certificate_not_after_timestamp_seconds"
ALWAYS = float("-inf")


class Shown:
    """The gauges, and what they show."""

    def __init__(self):
        self.metrics = Metrics("0")
        self.gauges = PartnerGauges(self.metrics)

    def value(self, name, partner, **labels):
        return self.metrics.registry.get_sample_value(name, {"partner": partner, **labels})

    def keys(self, partner):
        return [self.value(BEGINS, partner, state=state) for state in ("current", "next")]


@pytest.fixture
def shown():
    return Shown()


def partner(name, *, paused=False, keys=(), expires=None):
    """Return what is shown of an entry."""
    held = [] if expires is None else [SimpleNamespace(kind="client", expires_at_seconds=expires)]
    return SimpleNamespace(
        partner_id=name,
        paused=paused,
        signing_keys=[SimpleNamespace(from_seconds=begin) for begin in keys],
        certificates=held,
    )


FULL = [partner(f"p{number}") for number in range(MOST_DECLARED)]


def test_what_is_known_of_partners(shown):
    """Who is paused, since when the key signs and when the next one does; who has gone is no longer shown."""
    shop = partner("shop", paused=True, keys=(ALWAYS, 500.0), expires=900.0)
    shown.gauges.show([shop, partner("gone", keys=(ALWAYS,))], 100.0)
    assert (shown.value(PAUSED, "shop"), shown.value(PAUSED, "gone")) == (1, 0)
    assert shown.keys("shop") == [0, 500]
    assert shown.value(EXPIRY, "shop", use="client") == 900
    shown.gauges.show([shop], 600.0)
    assert shown.keys("shop") == [500, 0]
    assert shown.value(PAUSED, "gone") is None


def test_time_changes_which_key_signs(shown):
    """A scrape shows it without the file being read again."""
    both = [partner("a", keys=(ALWAYS, 500.0)), partner("b", keys=(ALWAYS, 400.0, 700.0))]
    shown.gauges.show(both, 100.0)
    for now, of_a, of_b in ((399.9, [0, 500], [0, 400]), (400.0, [0, 500], [400, 700])):
        shown.gauges.refresh(now)
        assert (shown.keys("a"), shown.keys("b")) == (of_a, of_b)
    shown.gauges.refresh(1e9)
    assert (shown.keys("a"), shown.keys("b")) == ([500, 0], [700, 0])


def test_a_scrape_sets_nothing_that_time_has_not_changed(shown, monkeypatch):
    """With thousands of partners it would hold up the worker's calls."""
    shown.gauges.show([partner("a", keys=(ALWAYS, 500.0))], 100.0)

    def fail(*_):
        raise AssertionError

    monkeypatch.setattr(shown.metrics.signing_key_from, "labels", fail)
    shown.gauges.refresh(499.9)
    with pytest.raises(AssertionError):
        shown.gauges.refresh(500.0)


def test_the_partners_beyond_the_first_hundred_miss_no_alert(shown):
    """Whoever comes last: one is paused, one has the next key, one the first certificate to expire."""
    others = [
        partner("x", paused=True, keys=(ALWAYS, 900.0), expires=5000.0),
        partner("y", keys=(50.0, 500.0), expires=1000.0),
        partner("z", keys=(ALWAYS,), expires=9e9),
    ]
    for order in (others, others[::-1]):
        shown.gauges.show([*FULL, *order], 100.0)
        assert shown.value(PAUSED, "other") == 1
        assert shown.keys("other") == [50, 500]
        assert shown.value(EXPIRY, "other", use="client") == 1000
        assert shown.value(PAUSED, "x") is None
    shown.gauges.show([*FULL, others[2]], 100.0)
    assert shown.value(PAUSED, "other") == 0
    assert shown.keys("other") == [0, 0]
    shown.gauges.show(FULL, 100.0)
    assert shown.value(PAUSED, "other") is None


def test_the_file_decides_who_has_series_of_its_own(shown):
    """And not how long the worker has run: partners that were removed give their places back, with their series."""
    shown.gauges.show(FULL, 1.0)
    attempts = shown.metrics.partner_attempts
    attempts.labels("p0", "acknowledged").inc()
    attempts.labels("new", "acknowledged").inc()
    name = "notifier_partner_attempts_total"
    assert shown.value(name, "p0", result="acknowledged") == 1
    assert shown.value(name, "other", result="acknowledged") == 1
    shown.gauges.show([partner("new", paused=True), *FULL[1:]], 1.0)
    assert shown.value(PAUSED, "new") == 1
    assert shown.value(name, "new", result="acknowledged") == 0  # from the start, see Catalogue
    attempts.labels("p0", "acknowledged").inc()  # one that was under way
    assert shown.value(name, "p0", result="acknowledged") is None
    assert shown.value(name, "other", result="acknowledged") == 2
    assert shown.metrics.shown(PARTNER, "p99") == "p99"
    shown.gauges.show([*FULL, partner("new")], 1.0)
    assert shown.value(name, "p0", result="acknowledged") == 0
    assert shown.value(name, "new", result="acknowledged") is None


def test_a_value_that_comes_again_makes_no_series_twice(shown):
    """Each reload declares all partners anew."""
    attempts = shown.metrics.partner_attempts
    shown.gauges.show([partner("a"), partner("a")], 1.0)
    attempts.labels("a", "acknowledged").inc()
    shown.gauges.show([partner("a")], 2.0)
    assert attempts.labels("a", "acknowledged") is attempts.labels("a", "acknowledged")
    assert shown.value("notifier_partner_attempts_total", "a", result="acknowledged") == 1
