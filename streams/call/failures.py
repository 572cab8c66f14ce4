"""From what aiohttp raises to why an attempt brought no result.

The exceptions come here as aiohttp raised them: httpx's names for them would lose the differences.
"""

import ssl
from collections.abc import Iterator
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from streams.notification.outcome import Failure

NETWORK_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError)
"""All that a partner or the network can make aiohttp raise; anything else is a fault of ours."""


def failure_of(error: Exception) -> Failure:
    """Name the failure behind one of `NETWORK_ERRORS`.

    A TLS alert may come after the handshake (TLS 1.3 refuses a client certificate only then), so the causes
    are searched for it first.
    """
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError | ssl.CertificateError) for cause in causes):
        return Failure.TLS_ERROR
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Failure.DNS_ERROR
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, TimeoutError):
            return Failure.CONNECT_TIMEOUT  # the system's own, shorter than ours
        case aiohttp.ClientConnectorError():
            return Failure.CONNECT_ERROR
        case HttpProcessingError():
            return Failure.UNREADABLE_ANSWER  # no HTTP, or a head beyond aiohttp's limits
        case _:
            return Failure.BROKEN_CONNECTION


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
