"""What a system tells of its users' changes when it is asked, where it does not tell by itself."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gateway.users.model import User, UserChange, UserSource

__all__ = ["News", "Reports"]


@dataclass(frozen=True, slots=True)
class News:
    """Changes, the earlier ones first, each with the user as it is now; and the position to ask from next time."""

    changes: tuple[tuple[UserChange, User], ...]
    position: str


@runtime_checkable
class Reports(Protocol):
    """A system that can be asked what has changed."""

    @property
    def name(self) -> UserSource: ...

    async def news(self, position: str | None) -> News:
        """What happened after a position; after None, which is now, nothing.

        What happened close to a position may be told again: a system may write down late what happened earlier.
        Raises the errors of `gateway.errors`.
        """
