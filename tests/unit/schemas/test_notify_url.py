"""Which notify URLs can be called."""

import pytest

from schemas.notify_url import check_notify_url, host_of

GOOD = [
    "https://a",
    "https://a.example.com",
    "https://a.example.com/",
    "https://a.example.com:8443/x/y?z=1&q[]=2&m=a@b",
    "HTTPS://A.EXAMPLE.COM/%E6%94%AF",
    "https://127.0.0.1:1/x",
    "https://[::1]:65535/x",
    "https://a.example.com?x=1",
    "https://a_b-c.example.com//x/../y",
    "https://a/" + "x" * (2048 - 10),
]

BAD = [
    ("https://a/" + "x" * (2048 - 9), "2049 characters"),
    ("http://a.example.com/", "plain http"),
    ("ftp://a.example.com/", "expected an absolute https URL"),
    ("//a.example.com/", "expected"),
    ("/notify", "expected"),
    ("a.example.com/notify", "expected"),
    ("https:///notify", "expected"),
    ("https://", "expected"),
    ("https://user@a.example.com/", "expected"),
    ("https://user:pass@a.example.com/", "expected"),
    ("https://a.example.com/#", "expected"),
    ("https://a.example.com/x#part", "expected"),
    ("https://a.example.com/a b", "expected"),
    ("https://a.example.com/a\n", "expected"),
    ("https://a.example.com/\\x", "expected"),
    ("https://a.example.com\\@evil.example.com/", "expected"),
    ("https://a.example.com/支付", "expected"),
    ("https://\u017f.example.com/", "expected"),
    ("https://-a.example.com/", "expected"),
    ("https://a.example.com:/", "expected"),
    ("https://a.example.com:0/", "port"),
    ("https://a.example.com:65536/", "port"),
]


@pytest.mark.parametrize("url", GOOD)
def test_a_url_that_can_be_called_passes(url):
    """Absolute https in ASCII, up to 2,048 characters, with or without port, path and query."""
    check_notify_url(url, allow_http=False)


@pytest.mark.parametrize(("url", "why"), BAD)
def test_any_other_is_refused(url, why):
    """The refusal says what was expected and doesn't quote the URL."""
    with pytest.raises(ValueError, match=why) as caught:
        check_notify_url(url, allow_http=False)
    assert "example" not in str(caught.value)


def test_plain_http_passes_where_it_is_allowed():
    """`NOTIFIER_ALLOW_HTTP` opens http and nothing else."""
    check_notify_url("http://127.0.0.1:8080/x", allow_http=True)
    with pytest.raises(ValueError, match="expected"):
        check_notify_url("ftp://127.0.0.1/x", allow_http=True)


@pytest.mark.parametrize("name", ["fe80::1%eth0", "[fe80::1%1]", "[::1", "1::2::3"])
def test_an_address_that_is_none_for_others_is_refused(name):
    """One with a zone means something on this machine only."""
    with pytest.raises(ValueError, match="address"):
        host_of(name)
