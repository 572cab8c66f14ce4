"""One attempt over HTTPS, from a body to an `AttemptResult`.

Whatever the partner or the network does is a value here; an exception is a fault of this program.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from typing import Final
from weakref import WeakValueDictionary

from schemas.trace_context import TRACEPARENT
from schemas.valueclass import valueclass
from streams.clock import Clock
from streams.notification.outcome import Blocked, Failure, NoResult, Outcome, RequestLeft
from streams.partners import Partner, SigningKey, public_tls
from streams.webhook.answer import Expected, judge
from streams.webhook.client import Exchange, PartnerClient
from streams.webhook.connector import sources_of
from streams.webhook.egress import DestinationBlocked, Guard
from streams.webhook.failures import NETWORK_ERRORS, no_result_of
from streams.webhook.lookups import Lookup, Lookups
from streams.webhook.resolver import CheckedResolver, system_lookup
from streams.webhook.response_time import is_stale
from streams.webhook.retry_after import retry_after_seconds
from streams.webhook.signing import request_time, sign, signed_headers, string_to_sign

_MOST_BITS_ON_THE_LOOP: Final = 2048
"""A signature of 2048 bits takes 0.3 ms, and a hop to a thread and back takes as long once the worker is busy; one of
4096 bits takes 2 ms."""

_SLOW_DOWN_STATUSES: Final = frozenset({429, 503})
_SLOW_DOWN_CODE: Final = "REQUEST_TRAFFIC_EXCEED_LIMIT"


async def _always() -> bool:
    return True


def _every_entry(_: Partner) -> bool:
    return True


@valueclass(frozen=True, slots=True)
class AttemptResult:
    """One attempt, ended.

    Attributes:
        outcome: what came back.
        http_status: of the answer, or None without one.
        request_left: whether the partner may have seen the request.
        started_at_ms: just before signing, milliseconds since the epoch.
        ended_at_ms: when the outcome was known.
        retry_after_seconds: how long the partner asks us to wait, at most an hour; None when it doesn't say.
        url_origin: scheme, host and port; empty when the URL could not be read.
        signing_seconds: from asking for the signature to having it, waiting for a turn included.
        slow_down: the partner says that it has too much traffic.
        stale: its Response-Time is more than 15 minutes from our clock.
    """

    outcome: Outcome
    http_status: int | None
    request_left: RequestLeft
    started_at_ms: int
    ended_at_ms: int
    retry_after_seconds: float | None
    url_origin: str
    signing_seconds: float
    slow_down: bool
    stale: bool = False


class WebhookClient:
    """Makes attempts. One for a worker, used from one event loop.

    Args:
        clock: the worker's.
        guard: the egress rules.
        signing_threads: where signatures are made that take long.
        lookup_threads: where names are looked up.
        user_agent: name and version of this program.
        lookup: finds a host's addresses.
        source_addresses: our own, one of a family at most; the system chooses where there are none.
        in_force: tells whether an entry is its partner's present one. One that is not may still have calls to make that were
            admitted before.
        on_exchange: is given each exchange as it ended, for a test call whose every byte is to be looked at.

    The threads stay the giver's to shut down.
    """

    def __init__(  # noqa: PLR0913  # its collaborators, each given by name
        self,
        *,
        clock: Clock,
        guard: Guard,
        signing_threads: Executor,
        lookup_threads: Executor,
        user_agent: str,
        lookup: Lookup = system_lookup,
        source_addresses: tuple[str, ...] = (),
        in_force: Callable[[Partner], bool] = _every_entry,
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._clock = clock
        self._guard = guard
        self._signing_threads = signing_threads
        self._lookup = lookup
        self._lookup_threads = lookup_threads
        # Of partners, whatever becomes of their entries: each for as long as a client has it, or a look-up hangs.
        self._lookups: WeakValueDictionary[str, Lookups] = WeakValueDictionary()
        self._turns: dict[str, int] = {}
        self._user_agent = user_agent
        self._sources = sources_of(source_addresses)
        self._in_force = in_force
        self._on_exchange = on_exchange
        self._clients: dict[str, tuple[Partner, PartnerClient]] = {}
        self._retired: dict[Partner, PartnerClient] = {}  # closed once no call uses them
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def call(  # noqa: PLR0913  # one attempt's circumstances, each given by name
        self,
        partner: Partner,
        url: str,
        body: bytes,
        *,
        signed_answer: bool,
        traceparent: str | None = None,
        still_ours: Callable[[], Awaitable[bool]] = _always,
    ) -> AttemptResult:
        """Make one attempt: one HTTP request at most.

        The partner's time-out covers connect, send, wait and read; signing comes before it and verifying after.

        Args:
            partner: whom to tell.
            url: the notify URL.
            body: the request body.
            signed_answer: whether an answer without a signature counts for nothing.
            traceparent: trace context to hand on; left out where it is none.
            still_ours: asked just before anything is sent; returns when it may be sent, and False after a wait: then
                the signature is made anew.
        """
        started_at_ms = self._clock.now_ms()
        try:
            target = self._guard.check_url(
                url,
                partner.allowed_hosts,
                partner.named_servers,
                by_proxy=partner.proxy is not None,
            )
        except DestinationBlocked as exc:
            return self._blocked(exc, started_at_ms, url_origin="", signing_seconds=0.0)
        while True:
            now = request_time(started_at_ms, partner.request_time_format)
            before = time.perf_counter()
            key = partner.signing_key(started_at_ms / 1000)
            signed = string_to_sign(target.path, partner.client_id, now, body)
            signature = await self._sign(key, signed)
            signing_seconds = time.perf_counter() - before
            if await still_ours():
                break
            started_at_ms = self._clock.now_ms()
        headers = signed_headers(partner, now, signature)
        if traceparent is not None and TRACEPARENT.fullmatch(traceparent):
            headers["traceparent"] = traceparent

        exchange = Exchange(target)
        try:
            cut_short = await self._exchange(partner, exchange, headers, body)
        except DestinationBlocked as exc:
            return self._blocked(exc, started_at_ms, target.origin, signing_seconds)
        if self._on_exchange is not None:
            self._on_exchange(exchange)
        stale = is_stale(exchange.headers.get("response-time"), self._clock.now_ms())
        expected = Expected(
            target.path,
            partner.client_id,
            partner.peer_keys,
            signed_answer,
            stale=stale and partner.refuse_stale_responses,
        )
        outcome = _judged(exchange, cut_short, expected)
        ended_at_ms = self._clock.now_ms()
        return AttemptResult(
            outcome=outcome,
            http_status=exchange.http_status,
            request_left=exchange.left,
            started_at_ms=started_at_ms,
            ended_at_ms=ended_at_ms,
            retry_after_seconds=retry_after_seconds(
                exchange.headers.get("retry-after"), ended_at_ms / 1000
            ),
            url_origin=target.origin,
            signing_seconds=signing_seconds,
            slow_down=exchange.http_status in _SLOW_DOWN_STATUSES
            or _code(outcome) == _SLOW_DOWN_CODE,
            stale=stale,
        )

    async def _sign(self, key: SigningKey, signed: bytes) -> str:
        """Return the signature, made in a turn of its own: the time it takes tells how long the event loop's turns are."""
        if key.private_key.key_size > _MOST_BITS_ON_THE_LOOP:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._signing_threads, sign, key, signed)
        await asyncio.sleep(0)
        return sign(key, signed)

    def discard(self, partner_ids: Iterable[str]) -> None:
        """Forget partners that are gone; their connections are closed once the calls on them have ended."""
        for partner_id in partner_ids:
            if (lookups := self._lookups.get(partner_id)) is not None:
                lookups.forget()
            self._retire(partner_id)

    async def aclose(self) -> None:
        """Close every connection, for good. Calls that are on them end as broken connections."""
        self._closed = True
        for client in (*self._retired.values(), *(client for _, client in self._clients.values())):
            self._close(client)
        self._clients.clear()
        self._retired.clear()
        await asyncio.gather(*self._closing)

    async def _exchange(
        self, partner: Partner, exchange: Exchange, headers: dict[str, str], body: bytes
    ) -> NoResult | None:
        """Run an exchange within the partner's time-out; return what came of it where it was cut short."""
        client = self._client(partner)
        client.in_use += 1
        limit = asyncio.timeout(partner.attempt_timeout_seconds)
        exchange.send_before = time.monotonic() + partner.attempt_timeout_seconds
        try:
            async with limit:
                await client.post(exchange, headers, body)
        except NETWORK_ERRORS as exc:
            if not limit.expired():
                return no_result_of(exc)
            connected = exchange.left is not RequestLeft.NO
            return NoResult(Failure.READ_TIMEOUT if connected else Failure.CONNECT_TIMEOUT)
        finally:
            client.in_use -= 1
            if not client.in_use and self._retired.get(partner) is client:
                self._close(self._retired.pop(partner))
        return None

    def _client(self, partner: Partner) -> PartnerClient:
        """Return the client of a partner's entry; the entry in force has one that stays, another while it has calls."""
        known, client = self._clients.get(partner.partner_id, (None, None))
        if client is not None and known is partner:
            return client
        if self._closed:
            message = "this client is closed"
            raise RuntimeError(message)
        in_force = self._in_force(partner)
        client = self._retired.pop(partner, None) or self._new_client(partner)
        if in_force:
            self._retire(partner.partner_id)
            self._clients[partner.partner_id] = (partner, client)
        else:  # or calls of two entries by turns would take each other's connections away
            self._retired[partner] = client
        return client

    def _new_client(self, partner: Partner) -> PartnerClient:
        lookups = self._lookups.get(partner.partner_id)
        if lookups is None:
            lookups = Lookups(self._lookup, self._lookup_threads)
            self._lookups[partner.partner_id] = lookups
        return PartnerClient(
            partner.tls or public_tls(),
            CheckedResolver(
                self._guard,
                lookups,
                self._turns,
                partner.named_servers,
                partner.attempt_timeout_seconds,
            ),
            self._user_agent,
            proxy=partner.proxy,
            sources=self._sources,
        )

    def _retire(self, partner_id: str) -> None:
        """Let go of a partner's client: close it now, or once no call uses it."""
        entry, client = self._clients.pop(partner_id, (None, None))
        if entry is None or client is None:
            return
        if client.in_use:
            self._retired[entry] = client
        else:
            self._close(client)

    def _close(self, client: PartnerClient) -> None:
        task = asyncio.create_task(client.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _blocked(
        self, why: DestinationBlocked, started_at_ms: int, url_origin: str, signing_seconds: float
    ) -> AttemptResult:
        return AttemptResult(
            outcome=Blocked(str(why)),
            http_status=None,
            request_left=RequestLeft.NO,
            started_at_ms=started_at_ms,
            ended_at_ms=self._clock.now_ms(),
            retry_after_seconds=None,
            url_origin=url_origin,
            signing_seconds=signing_seconds,
            slow_down=False,
        )


def _judged(exchange: Exchange, cut_short: NoResult | None, expected: Expected) -> Outcome:
    """Judge an exchange, here on the event loop: verifying takes less of its time than a hop to a thread."""
    if exchange.http_status is None:
        assert cut_short is not None  # noqa: S101  # an exchange that was not cut short has an answer
        return cut_short
    return judge(exchange.http_status, exchange.headers, cut_short or exchange.body, expected)


def _code(outcome: Outcome) -> str:
    return "" if isinstance(outcome, Blocked) else outcome.code
