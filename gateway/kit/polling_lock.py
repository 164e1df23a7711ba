"""The interface of the lock by which one of several replicas does something for all of them."""

from typing import Protocol

__all__ = ["PollingLock"]


class PollingLock(Protocol):
    """A lease that one replica has at a time, with a saved position for the next holder.

    Every method may raise SourceUnavailable.
    """

    @property
    def lease(self) -> float:
        """The seconds that the lease lasts without renewal."""

    async def acquire(self) -> tuple[int, str | None] | None:
        """Return the fencing number and the saved position, or None while another replica has the lease.

        The holder renews the lease by acquiring it again before it ends. The number of a later holder is greater.
        """

    async def renew(self, number: int) -> bool:
        """Start the lease anew; return False if `number` is no longer the latest."""

    async def save(self, number: int, position: str) -> bool:
        """Save the position for the next round; return False, without saving, if `number` is no longer the latest."""

    async def release(self, number: int) -> None:
        """End the lease, so that another replica can acquire it at once."""
