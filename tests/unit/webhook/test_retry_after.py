import time

import pytest

from streams.webhook.retry_after import retry_after_seconds

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("999999999999999", 3600.0),
        ("9999999999999999999999", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0661\u0662", None),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun Nov  6 08:50:37 1994", 60.0),
        ("Sun, 06 Nov 1994 08:50:37 -0000", 60.0),
        ("Sun, 06 Nov 1994 08:49:30 GMT", 0.0),
        ("Sun, 06 Nov 1994 23:49:37 GMT", 3600.0),
        ("Sun, 06 Nov 99999 23:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:50:37 GMT" + " " * 10 + "x" * 9000, None),
    ],
)
def test_retry_after(value, seconds):
    """Seconds and dates are read, held to an hour, and nonsense is as good as nothing."""
    assert retry_after_seconds(value, NOW) == seconds


@pytest.fixture
def far_from_greenwich(monkeypatch):
    """The machine's zone, eight hours behind."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC+8")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize("date", ["Sun Nov  6 08:50:37 1994", "Sun, 06 Nov 1994 08:50:37 -0000"])
def test_a_date_without_a_zone_is_greenwichs(date):
    """And not the zone of the machine that the worker runs on."""
    assert retry_after_seconds(date, NOW) == 60.0
