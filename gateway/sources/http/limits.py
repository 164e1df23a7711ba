"""What a source may take of the gateway on the wire."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may take: seconds for the whole call, to a connection, between two reads; sockets; bytes.

    `kept` is how many seconds a connection stays open without a call: sooner closed than by servers and NATs.
    """

    total: float = 10.0
    connect: float = 3.0
    read: float = 10.0
    kept: float = 15.0
    connections: int = 20
    response_bytes: int = 32 * 1024 * 1024
