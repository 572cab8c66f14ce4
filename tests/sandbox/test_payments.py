"""The generated events are what payment core may write: our own schemas take every one of them."""

import json
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from random import Random  # noqa: TID251  # seeded

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fields import required_always, required_on_success
from streams.notification.intake import PartnerTerms, Prepared, ReadEvent, prepare, read_event
from streams.notification.profiles import PROFILES
from streams.sandbox.client import encode
from streams.sandbox.keys import PARTNERS
from streams.sandbox.payments import combinations, events, order_id, payment_event

SEEDS = st.integers(0, 2**32)


def _random(seed):
    return Random(seed)  # noqa: S311  # no secret


@settings(deadline=None)  # what a sample may leave out is found at its first payment
@given(SEEDS, st.sampled_from(list(combinations())))
def test_every_event_becomes_a_notification_that_says_all_of_it(seed, combination):
    """The intake takes it without a fault, knows its reason and its code, and leaves no member unsent."""
    name, outcome, reason = combination
    url = "https://127.0.0.1:1/x?script=U,U,S"
    event = payment_event(name, rng=_random(seed), outcome=outcome, reason=reason, notify_url=url)
    read = read_event(encode(event), allow_http=False)
    assert isinstance(read, ReadEvent), read
    terms = PartnerTerms(frozenset({name}), {}, hold_unmapped=True, notify_url=None)
    prepared = prepare(read, terms, accepted_at_ms=0, origin="topic/0/0")
    assert isinstance(prepared, Prepared), prepared
    assert (prepared.unsent, prepared.unmapped_reason, prepared.unknown_code) == ((), False, False)
    assert prepared.notification.order_id == order_id(event)
    sent = json.loads(prepared.notification.body)
    assert sent.items() >= event["payment"].items()
    assert sent[PROFILES[name].result_member]["resultStatus"] == (
        "S" if outcome == "SUCCESS" else "F"
    )


def test_covers_every_profile_outcome_reason_and_code():
    """The combinations hold each profile's three outcomes, all its reasons and all its codes of F."""
    rows = list(combinations())
    assert len(set(rows)) == len(rows)
    for name, profile in PROFILES.items():
        mine = {row[1:] for row in rows if row[0] == name}
        failures = {code for code, status in profile.codes.items() if status == "F"}
        assert {outcome for outcome, _ in mine} == {"SUCCESS", "FAILED", "CANCELLED"}
        assert {reason for _, reason in mine if reason} == set(profile.reasons) | failures


def test_a_few_events_are_of_all_profiles():
    """Profiles take turns, so even a short run meets all of them, each with a success."""
    first = list(events(2 * len(PROFILES), _random(1)))
    assert [event["profile"] for event in first[::2]] == list(PROFILES)
    assert [event["partnerId"] for event in first[::2]] == [PARTNERS[name] for name in PROFILES]
    assert [event["outcome"] == "SUCCESS" for event in first] == [True, False] * len(PROFILES)


def test_some_hundred_events_cover_every_combination():
    """A run of some hundreds meets every profile, outcome and reason."""
    others = sum(outcome != "SUCCESS" for _, outcome, _ in combinations())
    made = {
        (event["profile"], event["outcome"], event.get("reason"))
        for event in events(2 * others, _random(1))
    }
    assert made == set(combinations())


@pytest.mark.parametrize("name", PROFILES)
def test_a_payment_has_more_or_fewer_members(name):
    """Each profile's payments have at times all members of its sample, at times as few as its body takes."""
    sample = PROFILES[name].sample.payment
    made = [payment_event(name, rng=_random(seed))["payment"] for seed in range(200)]
    sizes = {len(payment) for payment in made}
    assert max(sizes) == len(sample)
    required = {*required_always(PROFILES[name].body), *required_on_success(PROFILES[name].body)}
    assert min(made, key=len).keys() >= required
    assert all(payment.keys() >= required for payment in made)


def test_ids_are_unique_and_the_seed_decides():
    """No id is used twice in a long run; the same seed makes the same events."""
    made = list(events(2000, _random(3)))
    assert len({event["eventId"] for event in made}) == 2000
    assert len({order_id(event) for event in made}) == 2000
    assert made == list(events(2000, _random(3)))
    assert made[0] != next(events(1, _random(4)))


def test_a_long_run_has_the_variety_of_real_payments():
    """Currencies, quotes, customs, wallets beyond ASCII and offsets with half hours all occur."""
    made = list(events(3000, _random(5)))
    text = "\n".join(encode(event).decode() for event in made)
    seen = Counter(
        word
        for word in ("JPY", "KRW", "USD", "CNY", "settlementQuote", "customsDeclarationAmount")
        if word in text
    )
    assert len(seen) == 6
    assert "카카오페이" in text
    assert '+08:30"' in text or '+05:30"' in text
    assert {event["outcome"] for event in made} == {"SUCCESS", "FAILED", "CANCELLED"}


def test_takes_what_the_caller_fixes():
    """URL, partner and moment are the caller's; the moment is the same whatever offset it is written with."""
    at = datetime(2027, 1, 31, 23, 59, 58, tzinfo=UTC)
    for seed in range(20):
        event = payment_event(
            "mpp-to-ant", rng=_random(seed), notify_url="https://h/p", at=at, partner_id="somebody"
        )
        assert (event["notifyUrl"], event["partnerId"]) == ("https://h/p", "somebody")
        assert datetime.fromisoformat(event["occurredAt"]) == at
    urls = {"mpp-to-alipay-plus": "https://h/q"}
    for event in islice(events(None, _random(1), notify_urls=urls, now=lambda: at), 10):
        assert event.get("notifyUrl") == urls.get(event["profile"])
        assert datetime.fromisoformat(event["occurredAt"]) == at


@pytest.mark.parametrize("outcome", ["SUCCESS", "CANCELLED"])
def test_only_failures_have_a_reason(outcome):
    """A reason goes with FAILED; a failure without one gets one of its profile's."""
    assert "reason" not in payment_event("mpp-to-ant", rng=_random(1), outcome=outcome)
    failed = payment_event("mpp-to-ant", rng=_random(1), outcome="FAILED")
    assert failed["reason"] in PROFILES["mpp-to-ant"].reasons
