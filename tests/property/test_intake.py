"""Laws of the intake, over events that keep the rules and over ones that don't."""

import json
import re
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.iso8601 import PATTERN, epoch_ms
from schemas.strict_json import MalformedJson, loads
from streams.notification.body import check_body
from streams.notification.intake import (
    MAX_DETAIL_BYTES,
    PartnerTerms,
    Prepared,
    ReadEvent,
    Refused,
    prepare,
    read_event,
)
from streams.notification.profiles import PROFILES
from tests.support.events import EVENTS, fixed_members

SAMPLES = list(EVENTS.values())
TERMS = PartnerTerms(profiles=frozenset(PROFILES), reasons={}, hold_unmapped=False, notify_url=None)
MARK = "Zm9yYmlkZGVu"  # stands in every generated value and in no message of ours

plain = st.characters(exclude_categories=["Cs"])
texts = st.text(plain, min_size=1, max_size=64)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
marked = st.text(max_size=80).map(lambda text: f"{text}{MARK}{text}")
marked_values = st.recursive(
    st.none() | st.booleans() | marked,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated(draw, values=json_values):
    """Draw a sample event with up to three members replaced, added or dropped, at any depth."""
    event = json.loads(json.dumps(draw(st.sampled_from(SAMPLES))))
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        place = event
        while True:
            inner = [name for name, value in place.items() if isinstance(value, dict)]
            if not inner or draw(st.booleans()):
                break
            place = place[draw(st.sampled_from(inner))]
        name = draw(st.sampled_from([*place, "result", "extra"]))
        if name in place and draw(st.booleans()):
            del place[name]
        else:
            place[name] = draw(values)
    return event


@st.composite
def times(draw):
    """Draw a text of every form that is allowed, and its moment as `datetime` reckons it."""
    moment = draw(st.datetimes(datetime(1970, 1, 3), datetime(9999, 12, 30)))  # noqa: DTZ001  # local
    second = draw(st.sampled_from(["", "%S", "%S", "60"]))
    digits = draw(st.text("0123456789", max_size=12)) if second else ""
    if draw(st.booleans()):
        date, clock, colon = "%Y-%m-%d", "%H:%M", ":"
    else:
        date, clock, colon = "%Y%m%d", "%H%M", ""
    moment = moment.replace(second=moment.second if second == "%S" else 0, microsecond=0)
    text = moment.strftime(f"{date}T{clock}" + (colon + second if second else ""))
    if draw(st.booleans()) and moment.strftime("%H%M%S") == "000000" and second != "60":
        day = moment - timedelta(days=1)
        text = day.strftime(f"{date}T24{colon}00" + (f"{colon}00" if second else ""))
        digits = "0" * len(digits)
    moment += timedelta(minutes=1) if second == "60" else timedelta(0)
    text += draw(st.sampled_from(".,")) + digits if digits else ""
    hours, minutes = draw(st.integers(0, 23)), draw(st.integers(0, 59))
    sign = draw(st.sampled_from("+-"))
    offset, east = draw(
        st.sampled_from(
            [
                ("Z", 0),
                (f"{sign}{hours:02}", hours * 60),
                (f"{sign}{hours:02}{minutes:02}", hours * 60 + minutes),
                (f"{sign}{hours:02}:{minutes:02}", hours * 60 + minutes),
            ]
        )
    )
    moment -= timedelta(minutes=east if sign == "+" else -east)
    since = moment - datetime(1970, 1, 1)  # noqa: DTZ001  # both are UTC
    return text + offset, since // timedelta(milliseconds=1) + int(digits[:3].ljust(3, "0"))


@st.composite
def valid(draw):
    """Draw an event that keeps every rule."""
    event = json.loads(json.dumps(draw(st.sampled_from(SAMPLES))))
    outcome = draw(st.sampled_from(["SUCCESS", "FAILED", "CANCELLED"]))
    event |= {"outcome": outcome, "eventId": draw(texts), "partnerId": draw(texts)}
    if outcome == "FAILED":
        event["reason"] = draw(texts | st.sampled_from(["INSUFFICIENT_FUNDS", "RISK_REJECT"]))
    event["payment"]["paymentRequestId"] = draw(texts)
    event["payment"]["paymentId"] = draw(texts)
    event["occurredAt"] = draw(times())[0]
    if "paymentTime" in event["payment"]:
        event["payment"]["paymentTime"] = draw(times())[0]
    return event


def read(value):
    """Read an event and check what holds for every answer."""
    answer = read_event(value, allow_http=False)
    if isinstance(answer, Refused):
        assert answer.detail
        assert len(answer.detail.encode()) <= MAX_DETAIL_BYTES
        for found in (answer.event_id, answer.profile, answer.partner_id, answer.order_id):
            assert found is None or 1 <= len(found) <= 64
    return answer


@given(times())
def test_every_form_of_a_time_is_read_to_its_moment(time):
    """Extended or basic, with or without seconds and fraction, midnight at either end, any offset."""
    text, ms = time
    assert epoch_ms(text) == ms
    assert re.fullmatch(PATTERN, text)


@given(times(), times())
def test_a_time_is_sent_on_as_it_came(occurred, paid):
    """The body holds the text of the event, byte for byte; the record says when the payment became final."""
    event = json.loads(json.dumps(SAMPLES[0]))
    event |= {"occurredAt": occurred[0], "outcome": "SUCCESS"}
    event["payment"]["paymentTime"] = paid[0]
    read_back = read(json.dumps(event).encode())
    assert isinstance(read_back, ReadEvent)
    made = prepare(read_back, TERMS, accepted_at_ms=1, origin="t/0/1")
    assert isinstance(made, Prepared)
    assert f'"paymentTime":"{paid[0]}"'.encode() in made.notification.body
    assert made.notification.occurred_at_ms == occurred[1]


@given(st.binary() | st.none())
def test_no_bytes_make_it_raise(raw):
    """Arbitrary bytes are refused with a reason."""
    assert isinstance(read(raw), Refused)


@given(json_values)
def test_no_json_makes_it_raise(value):
    """Neither do arbitrary values, with surrogates, infinities and all."""
    assert isinstance(read(json.dumps(value).encode()), Refused)


@given(mutated())
def test_no_mutated_event_makes_it_raise(event):
    """What comes through is a notification whose body passes the check of the tiers."""
    answer = read(json.dumps(event).encode())
    if isinstance(answer, ReadEvent):
        made = prepare(answer, TERMS, accepted_at_ms=1, origin="t/0/1")
        assert isinstance(made, Prepared | Refused)
        if isinstance(made, Prepared):
            check_body(made.notification.body, answer.profile, answer.order_id)


@given(mutated(marked_values))
def test_a_detail_never_holds_a_value(event):
    """Whatever member a value stands in."""
    answer = read(json.dumps(event).encode())
    if isinstance(answer, Refused):
        assert MARK not in answer.detail


@given(valid())
def test_what_is_rendered_reads_back_the_same(event):
    """The body holds the event's payment, member for member, and the mapped result."""
    read_back = read(json.dumps(event).encode())
    assert isinstance(read_back, ReadEvent)
    made = prepare(read_back, TERMS, accepted_at_ms=1, origin="t/0/1")
    assert isinstance(made, Prepared)
    notification, profile = made.notification, read_back.profile
    members = loads(notification.body)
    result = members.pop(profile.result_member)
    assert (result["resultStatus"] == "S") == (event["outcome"] == "SUCCESS")
    assert profile.codes[result["resultCode"]] == result["resultStatus"]
    kept = {k: v for k, v in event["payment"].items() if k not in made.unsent}
    assert members == fixed_members(profile) | kept
    assert notification.notification_id == event["eventId"]
    assert notification.order_id == event["payment"][profile.order_id_member]
    again = profile.body.model_validate(loads(notification.body))
    assert again.to_bytes() == notification.body


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(plain),
        lambda v: st.lists(v) | st.dictionaries(st.text(plain), v),
    )
)
def test_strict_json_reads_what_json_writes(value):
    """Strictness refuses nothing that is plain JSON."""
    assert loads(json.dumps(value, ensure_ascii=False).encode()) == value
    assert loads(json.dumps(value).encode()) == value


@given(st.binary())
def test_strict_json_has_one_error(raw):
    """Whatever the bytes, a value or `MalformedJson`."""
    try:
        loads(raw)
    except MalformedJson:
        return
