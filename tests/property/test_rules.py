"""Laws of the rules, over all outcomes, attempts, profiles and reasons."""

from hypothesis import given
from hypothesis import strategies as st

from streams.clock import due_at_ms
from streams.notification.body import map_result, result_of
from streams.notification.decision import DeadLetter, Delivered, RetryAfter, decide
from streams.notification.outcome import Answered, Blocked, Failure, NoResult, Status, describe
from streams.notification.profile import SET_UP_FAULTS
from streams.notification.profiles import PROFILES, TIERS

CODES = sorted(SET_UP_FAULTS | {code for p in PROFILES.values() for code in p.codes})
profiles = st.sampled_from(list(PROFILES.values()))
codes = st.sampled_from(CODES) | st.text(max_size=64)
answered = st.builds(Answered, st.sampled_from(Status), codes)
no_result = st.builds(
    NoResult, st.sampled_from(Failure), st.none() | st.sampled_from(Status), codes
)
outcomes = answered | no_result | st.builds(Blocked, st.text())


@given(outcomes, st.integers(min_value=1), profiles)
def test_decide_is_total(outcome, attempt, profile):
    """Every outcome of every attempt has a decision, and a token that is never empty."""
    decision = decide(outcome, attempt, profile)
    assert isinstance(decision, Delivered | RetryAfter | DeadLetter)
    assert describe(outcome)
    if isinstance(decision, RetryAfter):
        assert decision.wait in TIERS
        assert attempt < profile.ladder.attempts


@given(outcomes, profiles)
def test_only_s_delivers_and_s_always_delivers(outcome, profile):
    """Whatever was only claimed does not count."""
    delivered = decide(outcome, 1, profile) == Delivered()
    assert delivered == (isinstance(outcome, Answered) and outcome.status is Status.SUCCESS)


@given(st.lists(outcomes, max_size=40), profiles)
def test_attempts_never_exceed_the_ladder(history, profile):
    """However a partner behaves, the climb ends at the last rung at the latest."""
    attempt = 0
    for outcome in history:
        attempt += 1
        if not isinstance(decide(outcome, attempt, profile), RetryAfter):
            break
    else:
        assert attempt == len(history)
    assert attempt <= profile.ladder.attempts


@given(
    profiles,
    st.integers(min_value=0, max_value=2**42),
    st.lists(st.integers(min_value=0, max_value=10_000), min_size=15, max_size=15),
    st.floats(min_value=0.0001, max_value=1),
)
def test_due_times_never_go_back_and_no_wait_is_short(profile, accepted_at, durations, scale):
    """Each due time lies at least its wait after the end of the attempt before."""
    due = accepted_at
    for attempt, duration in enumerate(durations, start=1):
        ended_at = due + duration
        decision = decide(NoResult(Failure.READ_TIMEOUT), attempt, profile)
        if not isinstance(decision, RetryAfter):
            assert attempt == profile.ladder.attempts
            break
        later = due_at_ms(ended_at, decision.wait.seconds * scale)
        assert later > due
        assert later - ended_at >= decision.wait.seconds * 1000 * scale
        due = later


@given(
    profiles,
    st.sampled_from(["FAILED", "CANCELLED"]),
    st.none() | st.text(min_size=1) | st.sampled_from(CODES),
    st.dictionaries(st.text(), st.sampled_from(["RISK_REJECT", "X"])),
)
def test_every_reason_maps_to_a_code_of_f(profile, outcome, reason, partner_reasons):
    """One that the profile knows, or one that the partner's own table names; never SUCCESS."""
    mapped = map_result(outcome, None, reason, partner_reasons=partner_reasons, profile=profile)
    assert mapped.code in profile.codes or mapped.code in partner_reasons.values()
    assert result_of(mapped.code, None).result_status == "F"


@given(profiles, st.data())
def test_every_reason_of_a_profile_maps_to_its_code(profile, data):
    """And is never counted as a gap."""
    reason = data.draw(st.sampled_from(sorted(profile.reasons)))
    mapped = map_result("FAILED", None, reason, partner_reasons={}, profile=profile)
    assert (mapped.code, mapped.unmapped) == (profile.reasons[reason], False)
    assert profile.codes[mapped.code] == "F"
