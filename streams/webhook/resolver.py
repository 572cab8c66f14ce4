"""Look-ups that hand out checked addresses only: the connection goes to exactly what was checked."""

import math
import socket
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from streams.webhook.egress import Guard
from streams.webhook.lookups import PATIENCE_SECONDS, Lookups

_KNOWN_HOSTS: Final = 4096


def system_lookup(host: str) -> list[str]:
    """Ask the system's resolver.

    Raises:
        OSError: there are none, or the look-up failed.
    """
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        # Python refuses what is no name (an empty label, one over 63 characters) with a ValueError, which would count
        # as a fault of this program and end the worker.
        raise socket.gaierror(socket.EAI_NONAME, "no well-formed name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


class CheckedResolver(AbstractResolver):
    """A resolver for one partner's connector that refuses a name when any of its addresses is forbidden.

    aiohttp doesn't ask a resolver about literal addresses; `Guard.check_url` has checked those.

    Args:
        guard: the rules.
        lookups: the partner's.
        turns: how often each host was looked up, by all partners of the worker.
        named_servers: those that the partner's entry names with their port.
        attempt_seconds: the time of an attempt; a look-up that hangs has a quarter of it, and a second at most, where
            addresses are remembered, so that the attempt is still made with those.
    """

    def __init__(
        self,
        guard: Guard,
        lookups: Lookups,
        turns: dict[str, int],
        named_servers: AbstractSet[str] = frozenset(),
        attempt_seconds: float = math.inf,
    ) -> None:
        self._guard = guard
        self._lookups = lookups
        self._turns = turns
        self._named_servers = named_servers
        self._patience_seconds = min(PATIENCE_SECONDS, attempt_seconds / 4)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the host's addresses, each look-up beginning with another.

        The system sorts them, the same one first for ever. Where that one takes calls and answers none, the next
        attempt shall meet another, and a partner that has several wants all of them used.

        Raises:
            OSError: there are none, or the look-up failed.
            DestinationBlocked: one of them is forbidden, or forbidden on this port.
        """
        addresses = await self.unchecked(host)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no addresses")
        port_is_open = self._guard.port_is_open(host, port, self._named_servers)
        for address in addresses:
            self._guard.check_address(address, port_is_open=port_is_open)
        if len(addresses) > 1:
            addresses = self._in_turn(host, addresses)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    def _in_turn(self, host: str, addresses: Sequence[str]) -> Sequence[str]:
        if len(self._turns) >= _KNOWN_HOSTS:
            self._turns.clear()
        turn = self._turns[host] = self._turns.get(host, -1) + 1
        known = sorted(addresses)  # name servers rotate them too, and the two must not cancel out
        first = turn % len(known)
        return known[first:] + known[:first]

    async def unchecked(self, host: str) -> Sequence[str]:
        """Return the addresses of a host that the operator named, such as a proxy's; none of them is checked.

        Raises:
            OSError: there are none, or the look-up failed.
        """
        return await self._lookups.addresses(host, self._patience_seconds)

    async def close(self) -> None:
        """Do nothing: the threads are not its own."""
