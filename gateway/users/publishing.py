"""How changes are made known: the functions that the executor of changes is given for that."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.users.ids import Ref
from gateway.users.model import User, UserChange

__all__ = ["Publish", "ReportAltered", "RequirePublishable"]


class Publish(Protocol):
    """Publishes the event of a change, and waits a moment until it cannot be lost with this process."""

    def __call__(
        self, change: UserChange, user: User, change_id: str = "", *, repeated: bool = False
    ) -> Awaitable[None] | None:
        """Publish it; return None if nothing has to be awaited for that.

        `repeated`: it may have been published before, by another execution or for another change.
        """


RequirePublishable = Callable[[], Awaitable[None] | None]
"""Raises SourceUnavailable if an event could not be published now; None if nothing has to be awaited for that."""


class ReportAltered(Protocol):
    """Reports a user that may have been changed, and how is not known, to the other replicas."""

    async def __call__(self, target: Ref, *, is_gone: bool) -> None:
        """Report it; it does not raise. `is_gone`: its source has no user of that id, and has changed none."""
