"""A token for SASL OAUTHBEARER: held for the whole process, renewed ahead of its end, fetched off everybody's way."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)

_RENEW_AT: Final = (
    0.75  # of its life; before any connection's session, which ends with it, is renewed
)
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0


class TokenError(KafkaError):  # type: ignore[misc]  # aiokafka ships no types
    """There is no token: why, in one sentence with the setting to look at. To aiokafka a reason to try again."""

    def __str__(self) -> str:
        return str(self.args[0])


class TokenRefused(TokenError):  # noqa: N818  # what the server did
    """There will be no token with the settings as they are."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and how long it may be used.

    Attributes:
        text: as it is sent.
        life_seconds: from when it was asked for to its end.
    """

    text: str
    life_seconds: float


class Tokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka ships no types
    """Holds the token in force, for all connections of the process, on whichever event loop they are.

    From the first use on a loop, it is renewed at three quarters of its life for as long as the loop runs. While that
    fails the old one is used up to its end, and each failure is logged and tried again after 1, 2, 4, up to 30 s.

    Args:
        fetch: gets one; raises TokenError.
        extensions: what is sent beside it (RFC 7628).
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[Token]], extensions: Mapping[str, str] | None = None
    ) -> None:
        self._fetch = fetch
        self._extensions = dict(extensions or {})
        self._token: Token | None = None
        self._ends_at = 0.0
        self._pause = _FIRST_PAUSE_SECONDS
        self._again_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.fault: TokenError | None = None

    @property
    def ends_in_seconds(self) -> float | None:
        """How long the token in force may still be used; None while there was none yet."""
        return None if self._token is None else self._ends_at - time.monotonic()

    def extensions(self) -> dict[str, str]:
        """Return what is sent beside the token."""
        return self._extensions

    async def token(self) -> str:
        """Return a token that has not ended; waits for one only where there is none.

        Raises:
            TokenError: none can be had now.
        """
        self._keep()
        if self._left() <= 0:
            if self.fault is not None and time.monotonic() < self._again_at:
                raise self.fault
            await asyncio.wait([self._begin()])
            if self.fault is not None:
                raise self.fault
        return self._token.text if self._token is not None else ""

    def _keep(self) -> None:
        """Renew from now on on the running loop."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop, self._fetching, self._timer = loop, None, None
        if self._token is not None:
            self._renew_in(self._token.life_seconds * (_RENEW_AT - 1) + self._left())

    def _left(self) -> float:
        return self._ends_at - time.monotonic()

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(self._renew())
        return self._fetching

    def _renew_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._begin)

    async def _renew(self) -> None:
        asked = time.monotonic()
        try:
            token = await self._fetch()
            if token.life_seconds <= 0:
                message = "the token for Kafka had ended when it came; look at the clocks of both machines"
                raise TokenError(message)  # noqa: TRY301  # one way for every failure
        except Exception as error:  # noqa: BLE001  # whatever it is, the next try must come
            self.fault = (
                error
                if isinstance(error, TokenError)
                else TokenError(f"no token for Kafka: {type(error).__name__}")
            )
            log.warning("%s; trying again in %g s", self.fault, self._pause)
            self._again_at = time.monotonic() + self._pause
            self._renew_in(self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        else:
            self.fault, self._pause = None, _FIRST_PAUSE_SECONDS
            self._token, self._ends_at = token, asked + token.life_seconds
            self._renew_in(max(token.life_seconds * _RENEW_AT, _FIRST_PAUSE_SECONDS))
        finally:
            self._fetching = None
