"""Free ports, for programs that have to be started with a fixed one, and ports where nothing listens."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.processes import free_port

__all__ = ["free_port", "refusing_port"]


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
