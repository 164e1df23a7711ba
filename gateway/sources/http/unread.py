"""Finds bytes on a connection to a source that nobody requested."""

import asyncio
import select

__all__ = ["UnreadBytes"]


class UnreadBytes:
    """Whether the socket of an open transport has bytes to read, or was closed by the peer.

    This is asked before each reuse of a connection, so the poll object is kept: making one takes longer than polling.
    """

    __slots__ = ("events",)

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.events = poll.poll  # with 0, no time to wait, it returns an empty list if there is nothing to read

    def __bool__(self) -> bool:
        return bool(self.events(0))
