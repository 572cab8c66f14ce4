"""What OpenSSL's errors say, in words for whoever has to mend it."""

import ssl

import pytest

from streams.notification.outcome import Failure
from streams.webhook.tls_failures import tls_no_result


def error(reason):
    made = ssl.SSLError(1, f"[SSL: {reason}] x (_ssl.c:1)")
    made.reason = reason
    return made


@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        (
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "it sent the alert 'certificate required': it wants a client certificate",
        ),
        (
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "it sent the alert 'handshake failure': no cipher in common, or it wants a client certificate",
        ),
        (
            "TLSV1_ALERT_UNKNOWN_CA",
            "it sent the alert 'unknown ca': it refuses our client certificate",
        ),
        (
            "TLSV1_ALERT_PROTOCOL_VERSION",
            "it sent the alert 'protocol version': no TLS version in common",
        ),
        (
            "TLSV1_UNRECOGNIZED_NAME",
            "it sent the alert 'unrecognized name': it knows no such host name",
        ),
        ("TLSV1_ALERT_INTERNAL_ERROR", "it sent the alert 'internal error'"),
        ("WRONG_VERSION_NUMBER", "what answers there speaks no TLS"),
        ("UNSUPPORTED_PROTOCOL", "its TLS is older than 1.2"),
        ("BAD_ECPOINT", "bad ecpoint"),
    ],
)
def test_an_error_of_the_handshake_is_said(reason, detail):
    """An alert by its name in RFC 8446 and what it comes from; what is not known in OpenSSL's own words."""
    told = tls_no_result(error(reason), of_proxy=False)
    assert (told.failure, told.detail) == (Failure.TLS_ERROR, detail)
    assert tls_no_result(error(reason), of_proxy=True).detail == f"with the proxy: {detail}"


def test_an_error_without_a_reason_says_nothing():
    """Nothing is made up."""
    assert not tls_no_result(ssl.SSLError(), of_proxy=True).detail
