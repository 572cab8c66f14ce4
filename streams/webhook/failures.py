"""From an exception to the failure of an attempt.

The exceptions come here as they were raised: httpx's names for them would lose the differences.
"""

from collections.abc import Iterator
from typing import Final

import aiohttp

from streams.notification.outcome import Failure, NoResult
from streams.webhook.fields import UnreadableResponse
from streams.webhook.response import OversizedBody
from streams.webhook.tls_failures import ProxyNotTrusted, is_tls_error, tls_no_result

NETWORK_ERRORS: Final = (aiohttp.ClientError, OSError, UnreadableResponse, OversizedBody)
"""All that an exchange raises because of a partner or the network; anything else is a fault of this program."""


def no_result_of(error: Exception) -> NoResult:
    """Return the outcome of an exchange that ended with one of `NETWORK_ERRORS`."""
    match error:
        case UnreadableResponse():
            return NoResult(Failure.UNREADABLE_ANSWER, detail=str(error))
        case OversizedBody():
            return NoResult(Failure.OVERSIZED_ANSWER, detail=str(error))
        case _:
            pass
    # A TLS alert may come after the handshake (TLS 1.3 refuses a client certificate only then), so the causes are
    # searched for it first.
    causes = list(_causes(error))
    if of_tls := [cause for cause in causes if is_tls_error(cause)]:
        return tls_no_result(
            of_tls[-1], of_proxy=any(isinstance(cause, ProxyNotTrusted) for cause in causes)
        )
    return NoResult(_failure_of(error))


def _failure_of(error: Exception) -> Failure:
    """Name the failure behind what aiohttp or the system raised."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Failure.DNS_ERROR
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, TimeoutError):
            return Failure.CONNECT_TIMEOUT  # the system's own, shorter than ours
        case aiohttp.ConnectionTimeoutError():
            return Failure.CONNECT_TIMEOUT  # the connection came too late to send anything
        case aiohttp.ClientConnectorError():
            return Failure.CONNECT_ERROR
        case _:
            return Failure.BROKEN_CONNECTION


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
