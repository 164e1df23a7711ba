"""The polling lock of a gateway that has one process."""

__all__ = ["MemoryPollingLock"]


class MemoryPollingLock:
    """A `PollingLock` that is always granted: there is no other replica."""

    lease = 3600.0  # seconds; it never ends

    def __init__(self) -> None:
        self._position: str | None = None

    async def acquire(self) -> tuple[int, str | None]:
        return 1, self._position

    async def renew(self, number: int) -> bool:  # noqa: ARG002 - the number is always 1
        return True

    async def save(self, number: int, position: str) -> bool:  # noqa: ARG002 - the number is always 1
        self._position = position
        return True

    async def release(self, number: int) -> None:
        """Do nothing: no other replica waits for it."""
