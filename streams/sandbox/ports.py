"""Ports on the loopback interface for the nodes of a rehearsal's cluster."""

import errno
import secrets
import socket
from dataclasses import dataclass

_PORTS = range(15_000, 30_000)
"""Below the ephemeral ports of Linux and macOS: a client that calls a stopped broker's port can then never be given
that very port as its own, connect to itself, and keep the broker from coming back."""

_OF_A_NODE = 3
_TRIES = 1000


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a node listens, on 127.0.0.1.

    Attributes:
        clients: without TLS, for everybody and for the other brokers.
        controller: for the quorum of the controllers.
        secure: the second listener's, where there is one.
    """

    clients: int
    controller: int
    secure: int


def free_ports(nodes: int) -> list[Ports]:
    """Return ports that nobody listens at, for so many nodes.

    Raises:
        OSError: none was found, or ports can't be tried.
    """
    free: list[int] = []
    for _ in range(_TRIES):
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as exc:
                if exc.errno not in {errno.EADDRINUSE, errno.EACCES}:
                    raise
                continue
        if port not in free:
            free.append(port)
        if len(free) == _OF_A_NODE * nodes:
            return [Ports(*free[at : at + _OF_A_NODE]) for at in range(0, len(free), _OF_A_NODE)]
    message = f"found no free port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1"
    raise OSError(message)


def accepts(port: int) -> bool:
    """Tell whether somebody listens at a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
