"""Whose turn it is, where one replica does something for all of them."""

from typing import Protocol

__all__ = ["MemoryTurn", "Turn"]


class Turn(Protocol):
    """One replica's at a time; what it notes is there for the next. Every method may raise SourceUnavailable."""

    async def take(self) -> tuple[int, str | None] | None:
        """The turn's number and what was noted last, or None while it is another's.

        Who has the turn keeps it by taking it again before the lease ends. A later turn's number is greater.
        """

    async def note(self, number: int, text: str) -> bool:
        """Note where to go on; False where another has had the turn since: then it is theirs to say."""

    async def give_up(self, number: int) -> None:
        """Let another have the turn at once."""


class MemoryTurn:
    """The turn of the only process."""

    def __init__(self) -> None:
        self._noted: str | None = None

    async def take(self) -> tuple[int, str | None]:
        return 1, self._noted

    async def note(self, number: int, text: str) -> bool:  # noqa: ARG002 - there is one
        self._noted = text
        return True

    async def give_up(self, number: int) -> None:
        """There is nobody else."""
