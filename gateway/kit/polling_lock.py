"""The interface of the lock by which one of several replicas does something for all of them."""

from typing import Protocol, runtime_checkable

__all__ = ["DatedPollingLock", "PollingLock"]


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


@runtime_checkable
class DatedPollingLock(PollingLock, Protocol):
    """A polling lock that also saves when the last successful round began.

    Only with it do replicas that do not hold the lock keep users for long: they cannot know otherwise that the changes
    of the source are reported.
    """

    async def save_round(self, number: int, position: str, age: float) -> bool:
        """Do the same as `save`, after a round that began `age` seconds ago."""

    async def round_age(self) -> float | None:
        """Return how many seconds ago the last round began after which `save_round` succeeded, None if not known."""
