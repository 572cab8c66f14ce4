"""Connections of ours: they use what is in force when they connect, and renew their SASL session before it ends.

Upstream: aiokafka's issues 1015 and 1080, pull request 1105.

Why: credentials are renewed on disk while we run; aiokafka's clients keep those that they were made with.

A broker with `connections.max.reauth.ms` gives every connection a session, whatever its mechanism: at most so long, and
never longer than the token that was shown. It closes a connection that asks for anything but a new authentication
afterwards (KIP-368). aiokafka 0.14 reads how long a session lasts and does nothing about it. It also
takes an OAUTHBEARER token that the broker refuses for accepted, since it does not look at
the broker's reason, and fails at the next request with "connection closed".

So every connection of this process is one of ours, which authenticates again on the same connection: with the first
request after most of the session is over, once what is under way is answered; requests wait for it meanwhile. Nothing
runs for a connection that nobody uses.

Remove when: aiokafka renews sessions and looks at the reason of a refused token: all but `connect` and the password.
"""

import asyncio
import logging
import time
from typing import Any, Final

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import SaslAuthenticateRequest, SaslHandShakeRequest

from streams.kafka.access.renewed import Renewed

REPLACES: Final = ("aiokafka.conn.AIOKafkaConnection",)

log = logging.getLogger(__name__)

_RENEW_AT: Final = 0.85  # of a session; the Java client's earliest
_LEAST_SECONDS: Final = 1.0  # the broker takes no two within one second
_END_OF_REFUSED_TOKEN: Final = b"\x01"  # RFC 7628: asks for the error that ends the exchange


class OurConnection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka ships no types
    """A connection to a broker.

    Where `streams.kafka.connection` put them, a `Renewed` stands for the TLS context and, in the place of a token
    provider, for the password.
    """

    _ssl_context: Any
    _renew_at: float | None = None
    _renewing: asyncio.Task[None] | None = None

    async def connect(self) -> Any:  # noqa: ANN401  # aiokafka's own
        """Connect with the certificates in force."""
        if isinstance(self._ssl_context, Renewed):
            self._ssl_context = self._ssl_context.present().context
        return await super().connect()

    async def _do_sasl_handshake(self) -> None:
        if isinstance(self._sasl_oauth_token_provider, Renewed):
            self._sasl_plain_password = self._sasl_oauth_token_provider.present()
        await super()._do_sasl_handshake()

    def send(self, request: Any, expect_response: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002  # aiokafka's own
        """Send a request; what it gives is to be awaited at once. One that comes when the session ends waits for a new one."""
        if isinstance(request, SaslAuthenticateRequest):
            return self._authenticate(request)
        if isinstance(request, SaslHandShakeRequest):
            return super().send(request, expect_response)
        if self._renewing is None and (self._renew_at is None or time.monotonic() < self._renew_at):
            return super().send(request, expect_response)
        return self._send_in_new_session(request, expect_response)

    async def _send_in_new_session(self, request: Any, expect_response: bool) -> Any:  # noqa: ANN401, FBT001
        if self._renewing is None:
            self._renewing = asyncio.get_running_loop().create_task(self._renew())
        # Whatever comes of it: a connection that was closed says so itself.
        await asyncio.wait([self._renewing])
        return await super().send(request, expect_response)

    async def _renew(self) -> None:
        try:
            # The broker answers one request after the other, and what stands between handshake and token would end it.
            under_way = [answer for _, _, answer in self._requests if not answer.done()]
            if under_way:
                await asyncio.wait(under_way)
            await self._do_sasl_handshake()
        except KafkaConnectionError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the next connection shows it again
            log.warning(
                "the session at %s:%s could not be renewed, connecting anew: %s",
                self.host,
                self.port,
                error,
            )
            self.close(reason=CloseReason.AUTH_FAILURE, exc=error)
        finally:
            self._renewing = None

    async def _authenticate(self, request: SaslAuthenticateRequest) -> Any:  # noqa: ANN401
        answer = await super().send(request)
        by_token = self._sasl_mechanism == "OAUTHBEARER"
        if by_token and answer.sasl_auth_bytes and not answer.error_code:
            answer = await super().send(SaslAuthenticateRequest(_END_OF_REFUSED_TOKEN))
        lifetime_ms: int = getattr(answer, "session_lifetime_ms", 0)  # not in version 0
        self._renew_at = (
            time.monotonic() + max(lifetime_ms / 1000 * _RENEW_AT, _LEAST_SECONDS)
            if lifetime_ms > 0
            else None
        )
        return answer


def is_applied() -> bool:
    """Tell whether every new connection of this process is one of ours."""
    return aiokafka.conn.AIOKafkaConnection is OurConnection


def apply() -> None:
    """Make every new connection of this process one of ours. Calling it again does no harm."""
    aiokafka.conn.AIOKafkaConnection = OurConnection
