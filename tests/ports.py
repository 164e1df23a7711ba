"""Free ports, for programs that have to be started with a fixed one, and ports where nothing listens."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["free_port", "refusing_port"]

_BELOW_OUTGOING = range(10_000, 32_768)
"""Linux takes the ports of outgoing connections, and those that a program lets it choose, from above these."""


def free_port() -> int:
    """Return a port of the loopback interface that is free, and that no connection takes until it is listened at."""
    while True:
        port = secrets.choice(_BELOW_OUTGOING)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def refusing_port() -> Iterator[int]:
    """Keep a port of both loopback addresses at which nothing listens, so that no other process can listen there."""
    if socket.has_dualstack_ipv6():
        refusing, address = socket.socket(socket.AF_INET6), "::"
        refusing.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    else:
        refusing, address = socket.socket(), "127.0.0.1"
    with refusing:
        refusing.bind((address, 0))
        yield refusing.getsockname()[1]
