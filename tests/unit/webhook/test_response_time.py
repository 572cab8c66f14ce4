"""How far an answer's time may be from ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.notification.decision import DeadLetter, DeadLetterReason, decide
from streams.notification.outcome import Answered, Failure, NoResult, Status
from streams.notification.profiles import PROFILES
from streams.webhook.answer import Expected, judge
from streams.webhook.response_time import is_stale
from streams.webhook.signing import sign, string_to_sign

NOW_MS = 1_795_342_530_000  # 2026-11-22T10:15:30Z


@pytest.mark.parametrize(
    ("text", "stale"),
    [
        ("2026-11-22T10:15:30Z", False),
        ("2026-11-22T10:00:30+00:00", False),
        ("2026-11-22T10:00:29.999Z", True),
        ("2026-11-22T10:30:30Z", False),
        ("2026-11-22T10:30:31Z", True),
        ("2026-11-22T18:15:30+08:00", False),
        ("2026-11-22T18:45:30+08:30", False),
        ("2026-11-22T10:15:30", True),
        ("2026-11-22T10:15Z", False),
        ("2026-11-22t10:15:30,5z", False),
        ("2026-11-22 10:15:30+0000", False),
        ("20261122T181530+08", False),
        ("2026-11-22T10:15:60Z", False),
        ("2026-11-22T24:00Z", True),
        (" 1795342530000 ", False),
        ("1795341630000", False),
        ("1795341629999", True),
        ("1795343430001", True),
        ("1795342530", True),
        ("2001-01-01T00:00:00Z", True),
        ("0001-01-01T00:00:00+14:00", True),
        ("9" * 16, True),
        ("", True),
        ("now", True),
        ("-1", True),
        ("\uff12\uff10\uff12\uff16", True),
        ("2026-11-22T10:15:30Z, 2026-11-22T10:15:30Z", True),
        ("x" * 8000, True),
    ],
)
def test_more_than_15_minutes_is_stale(text, stale):
    """Either way, in every form; what can't be read is stale too."""
    assert is_stale(text, NOW_MS) is stale


def test_no_time_is_not_stale():
    """An unsigned answer need not have one; a signed one without it has a wrong signature."""
    assert not is_stale(None, NOW_MS)


@given(st.text())
def test_any_text_has_an_answer(text):
    """Whatever a partner writes there, nothing raises."""
    assert is_stale(text, NOW_MS) in {True, False}


@pytest.mark.parametrize("status", ["S", "F", "U"])
def test_a_stale_s_counts_for_nothing_where_the_partner_says_so(public_keys, signing_keys, status):
    """Rightly signed as it is, an old S is no acknowledgement; F and U keep their meaning."""
    body = b'{"result":{"resultStatus":"%s","resultCode":"C"}}' % status.encode()
    signature = sign(signing_keys["receiver"], string_to_sign("/x", "CLIENT", "then", body))
    headers = {"signature": signature, "response-time": "then"}
    keys = {"1": public_keys["receiver"]}
    told = judge(200, headers, body, Expected("/x", "CLIENT", keys, signed=True, stale=True))
    if status == "S":
        assert told == NoResult(Failure.STALE_ANSWER, Status.SUCCESS, "C")
        end = decide(told, 15, PROFILES["mpp-to-ant"])
        assert isinstance(end, DeadLetter)
        assert end.reason is DeadLetterReason.UNVERIFIED_ACKNOWLEDGEMENT
    else:
        assert told == Answered(Status(status), "C")
