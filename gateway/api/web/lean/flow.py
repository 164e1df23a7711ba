"""What the parts of a connection ask of it."""

from typing import Protocol

__all__ = ["Flow"]


class Flow(Protocol):
    """A connection, as those see it who read from it and write to it."""

    def hold(self) -> None:
        """Read no more for now."""

    def release(self) -> None:
        """Read on."""

    def go_on(self) -> None:
        """Tell a client that waits for it to send its body (RFC 9110, 10.1.1)."""

    def write(self, data: bytes) -> None:
        """Send; what is sent to a client that has gone is dropped."""

    async def room(self) -> None:
        """Wait until the client has read most of what was sent.

        Raises:
            Closed: it has gone.
        """

    def leave(self) -> None:
        """Close, once everything is sent and the client had the time to read it."""

    def abort(self) -> None:
        """Close at once."""
