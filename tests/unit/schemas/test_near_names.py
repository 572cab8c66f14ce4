"""Which names that are not known are nearly known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import Event
from schemas.near_names import near_names
from schemas.notify_payment import WalletPayment
from schemas.tidying import Table

NAMES = [*Event.table, *(name for name in WalletPayment.table if name != "paymentResult")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("paymenttime", "paymentTime"),
        ("PaymentTime", "paymentTime"),
        ("payment_time", "paymentTime"),
        ("paymentTimes", "paymentTime"),
        ("paymentTme", "paymentTime"),
        ("paymentTine", "paymentTime"),
        ("paymentTiem", "paymentTime"),
        ("ayPmentTime", None),
        ("paymentDate", None),
        ("time", None),
        ("", None),
        ("?", None),
        ("paymentresult", None),
        ("paymentAmount.Currency", "currency"),
        ("paymentAmount.Value", "value"),
        ("paymentAmount.note", None),
        ("paymentTimes.value", None),
        ("customerID", "customerId"),
    ],
)
def test_case_or_one_letter(written, meant):
    """Another letter, one more or less, two the wrong way round; the result is never what was meant."""
    found = near_names([written], WalletPayment.table, "payment.")
    assert [name.meant for name in found] == ([meant] if meant else [])
    if meant:
        assert str(found[0]) == f"payment.{written}: not known, did you mean {meant}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("notifyURL", "notifyUrl"),
        ("occuredAt", "occurredAt"),
        ("resultcode", "resultCode"),
        ("eventID", "eventId"),
        ("event_id", "eventId"),
        ("partnerId2", "partnerId"),
        ("tenant", None),
    ],
)
def test_the_events_own_members(written, meant):
    """The names that people get wrong."""
    assert [name.meant for name in near_names([written], Event.table)] == [meant][: bool(meant)]


@given(st.sampled_from(NAMES), st.data())
def test_whatever_the_slip(name, data):
    """Each single slip of a known name is found, unless it makes another known one."""
    at = data.draw(st.integers(0, len(name) - 2))
    letter = data.draw(st.sampled_from("abcxyzXYZ_0"))
    slip = data.draw(
        st.sampled_from(
            [
                name[:at] + letter + name[at:],
                name[:at] + name[at + 1 :],
                name[:at] + letter + name[at + 1 :],
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
                name.upper(),
                name.lower(),
            ]
        )
    )
    known = Table({name: None})
    assert [found.meant for found in near_names([slip], known)] == ([] if slip == name else [name])


@given(st.text(max_size=20), st.text(max_size=20))
def test_names_that_are_further_apart_are_not_near(one, other):
    """Judged by the distance of strings as textbooks have it (Levenshtein, with neighbours swapped)."""
    near = bool(near_names([one.replace(".", "")], Table({other: None})))
    a, b = one.replace(".", ""), other
    expected = (
        a != b
        and other not in {"result", "paymentResult"}
        and distance(a.casefold(), b.casefold()) <= 1
    )
    assert near == expected


def distance(a, b):
    """Return the optimal string alignment distance."""
    rows = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            rows[i][j] = min(
                rows[i - 1][j] + 1,
                rows[i][j - 1] + 1,
                rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
            )
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


def test_eight_are_enough():
    """An event of nothing but slips doesn't fill the log."""
    slips = [f"{letter}aymentTime" for letter in "abcdefghijklm"]
    assert len(near_names(slips, WalletPayment.table)) == 8
