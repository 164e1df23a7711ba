"""The polling lock of a gateway that is one process."""

__all__ = ["MemoryPollingLock"]


class MemoryPollingLock:
    """Is always granted: there is no other replica."""

    def __init__(self) -> None:
        self._noted: str | None = None

    async def take(self) -> tuple[int, str | None]:
        return 1, self._noted

    async def note(self, number: int, text: str) -> bool:  # noqa: ARG002 - the number is always 1
        self._noted = text
        return True

    async def give_up(self, number: int) -> None:
        """Do nothing: no other replica waits for it."""
