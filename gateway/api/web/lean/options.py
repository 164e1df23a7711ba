"""What a client may send, and how long it may take about it."""

from dataclasses import dataclass

__all__ = ["ServerOptions"]


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Sizes are in bytes, times in seconds."""

    target: int = 8 * 1024
    """Of a request line's target; more is a 414."""

    head: int = 32 * 1024
    """Of all header fields together, names and values; more is a 431. So it is with what is around chunks."""

    fields: int = 128
    message: int = 2 * 1024 * 1024
    """Of a WebSocket's message; more closes it with 1009."""

    held: int = 64 * 1024
    """What is read ahead of whoever reads a body or a WebSocket. Past it the client waits."""

    head_time: float = 10.0
    """From a request's first byte to the end of its head, and from a connection's begin to that."""

    kept: float = 75.0
    """How long a connection is kept without a request."""

    stuck: float = 30.0
    """How long a client may take to read what is sent before more is sent."""

    linger: float = 5.0
    """How long bytes that nobody wants are still read, so that the client gets to see why."""

    goodbye: float = 2.0
    """To close a WebSocket in the proper way."""
