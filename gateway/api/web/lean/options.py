"""The limits and timeouts of the lean server."""

from dataclasses import dataclass

__all__ = ["ServerOptions"]


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Sizes are in bytes, times in seconds."""

    max_target: int = 8 * 1024
    """Of the target in a request line; a longer one is a 414."""

    max_head: int = 32 * 1024
    """Of all names and values of header fields; more is a 431. It also limits chunk extensions and trailers."""

    max_fields: int = 128
    """Header fields of a request; more is a 431."""

    max_message: int = 2 * 1024 * 1024
    """Of a WebSocket message; a larger one closes the WebSocket with 1009."""

    read_ahead: int = 64 * 1024
    """Of a body or of WebSocket messages that are not read yet; beyond it reading from the client pauses."""

    head_timeout: float = 10.0
    """From the first byte of a request to the end of its head, and from the start of a connection to the same."""

    keep_alive_timeout: float = 75.0
    """From a response to the next request."""

    write_timeout: float = 30.0
    """For the client to read so much of what was written that more can be written, or all of it before closing."""

    linger_timeout: float = 5.0
    """For reading and discarding bytes after the last response, so that the client receives it (RFC 9112, 9.6)."""

    close_timeout: float = 2.0
    """For the closing handshake of a WebSocket."""
