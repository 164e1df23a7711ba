"""Changes that a source reports: to whoever polls it, or by a webhook."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = ["PolledSource", "ReportedChange", "SourceChanges"]


@dataclass(frozen=True, slots=True)
class SourceChanges:
    """Changes, the oldest first, each with the user as it is now, and the position to pass to the next request.

    `has_unknown`: further records of the source have changed, and which ones is not known. `altered` are users that may
    differ from what was read before, without a change that is an event: since a login, for example.
    """

    changes: tuple[tuple[UserChange, User], ...]
    position: str
    has_unknown: bool = False
    altered: tuple[User, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportedChange:
    """A change that a webhook reports, and the user as far as the webhook describes it.

    `occurred_at` is the time in the webhook, None if it has none. `absent` are the fields of the user that the webhook
    leaves out, which is not the same as null.
    """

    change: UserChange
    user: User
    occurred_at: Timestamp | None = None
    absent: frozenset[str] = frozenset()


@runtime_checkable
class PolledSource(Protocol):
    """A source whose changes can be requested."""

    @property
    def name(self) -> UserSource: ...

    async def changes_since(self, position: str | None) -> SourceChanges:
        """Return the changes after a position; None stands for the present, after which there are none.

        A change shortly before the position may be returned again, because a source may record changes late.
        Raises the errors of `gateway.errors`.
        """
