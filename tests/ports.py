"""Free ports, for programs that have to be started with a fixed one."""

import secrets
import socket

__all__ = ["free_port"]

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
