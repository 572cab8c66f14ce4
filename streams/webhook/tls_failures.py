"""Why TLS failed, from the error alone: whose certificate and why, or which alert the other side sent."""

import ssl
from typing import Final

from streams.notification.outcome import Failure, NoResult

_TlsError = ssl.SSLError | ssl.CertificateError

# X509_V_ERR_… of OpenSSL's x509_vfy.h; the numbers never change.
_INCOMPLETE: Final = frozenset({2, 20, 21})
"""The chain ends before a CA that we trust. A server need not send the root, so an intermediate that was left out and
an unknown CA above it look the same from here."""
_STRICT: Final = frozenset({78, *range(80, 95)})
"""What VERIFY_X509_STRICT refuses and nothing else does."""
_CERTIFICATE: Final = {
    7: "a signature in its chain is wrong",
    9: "a certificate of its chain is not valid yet",
    10: "a certificate of its chain has expired",
    18: "its certificate is self-signed, and not one that we trust",
    19: "its chain ends in a root CA that we don't trust",
    62: "its certificate is for other host names",
    64: "its certificate is for other IP addresses",
}
_MISSING: Final = (
    "what it sends leads to no CA that we trust: an intermediate certificate is left out, or the CA is"
    " another"
)
_OURS: Final = "it refuses our client certificate"
_ALERTS: Final = {
    "certificate required": "it wants a client certificate",
    "handshake failure": "no cipher in common, or it wants a client certificate",
    "protocol version": "no TLS version in common",
    "unrecognized name": "it knows no such host name",
    **dict.fromkeys(
        (
            *("access denied", "bad certificate", "certificate expired", "certificate revoked"),
            *("certificate unknown", "unknown ca", "unsupported certificate"),
        ),
        _OURS,
    ),
}
"""What the alerts of RFC 8446, section 6.2, come from when a partner sends them to us."""
_REASONS: Final = {
    "HTTP_REQUEST": "what answers there speaks no TLS",
    "PACKET_LENGTH_TOO_LONG": "what answers there speaks no TLS",
    "RECORD_LAYER_FAILURE": "what answers there speaks no TLS",
    "UNEXPECTED_EOF_WHILE_READING": "it ended the connection in the middle of the handshake",
    "UNSUPPORTED_PROTOCOL": "its TLS is older than 1.2",
    "WRONG_VERSION_NUMBER": "what answers there speaks no TLS",
}


class ProxyNotTrusted(ConnectionError):  # noqa: N818  # named after what happened
    """TLS with the proxy failed, before any request to it. The cause says how."""


def is_tls_error(error: BaseException) -> bool:
    """Tell whether an error is one of TLS, aiohttp's own included."""
    return isinstance(error, _TlsError)


def tls_no_result(error: BaseException, *, of_proxy: bool) -> NoResult:
    """Say what came of an attempt that failed with TLS.

    Args:
        error: OpenSSL's, the first of all causes.
        of_proxy: whether it is the proxy's TLS, and not the partner's.
    """
    whose = "with the proxy: " if of_proxy else ""
    if not isinstance(error, ssl.SSLCertVerificationError):
        reason = _said(str(getattr(error, "reason", None) or ""))
        return NoResult(Failure.TLS_ERROR, detail=reason and f"{whose}{reason}")
    code = error.verify_code
    if code in _INCOMPLETE:
        return NoResult(Failure.TLS_INCOMPLETE_CHAIN, detail=f"{whose}{_MISSING}")
    refused = _CERTIFICATE.get(code, f"its certificates are refused: {error.verify_message}")
    hint = ", by the strict chain rules" if code in _STRICT else ""
    return NoResult(Failure.TLS_ERROR, detail=f"{whose}{refused}{hint}")


def _said(reason: str) -> str:
    """Say in words what OpenSSL names: `TLSV13_ALERT_CERTIFICATE_REQUIRED`, `WRONG_VERSION_NUMBER`."""
    if not reason:
        return ""
    _, _, alert = reason.replace("TLSV1_UNRECOGNIZED", "TLSV1_ALERT_UNRECOGNIZED").partition(
        "_ALERT_"
    )
    if alert:
        name = alert.replace("_", " ").lower()
        meaning = f": {_ALERTS[name]}" if name in _ALERTS else ""
        return f"it sent the alert {name!r}{meaning}"
    return _REASONS.get(reason, reason.replace("_", " ").lower())
