"""Whether a port of ours is free on this machine, before anything that takes long is started."""

import errno
import socket


def port_fault(variable: str, host: str, port: int) -> str | None:
    """Return why nobody can listen on a port now; None where that is possible.

    Args:
        variable: the setting that names the port.
        host: the address to listen on.
        port: 0 for one of the system's choice.
    """
    if port == 0:
        return None
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in rows:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
                probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return (
                f"{variable}: seen {port}, where another program listens already (a worker of this machine?);"
                " expected a free port, or 0 for any"
            )
        return f"{variable}: seen {port} on {host!r}, where nobody can listen ({error.strerror}); expected an address of this machine"
    return None
