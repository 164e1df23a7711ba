"""The event log as its readers and writers use it, independent of where it is stored."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

import msgspec

from gateway.errors import GatewayError, NotFound, RateLimited, SourceUnavailable
from gateway.kit.utc_text import utc_second
from gateway.users.ids import Ref
from gateway.users.kept.fingerprint import user_fingerprint
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = [
    "ChangeListener",
    "Draining",
    "EventLog",
    "EventLogSettings",
    "LogEvent",
    "LogObserver",
    "NoLongerHeld",
    "SlowReader",
    "Subscription",
    "UnknownChanges",
    "UserEvent",
    "event_time",
    "ignore_log_event",
]


@dataclass(frozen=True, slots=True)
class EventLogSettings:
    """The bounds of the log: numbers of events, and seconds.

    The log holds the latest `max_events` (a user is a few KiB), so that a subscription can be resumed. `queue_size`
    events may wait for one subscription, `outbox_size` for an unreachable Redis. A change that is reported again
    within `window` seconds is recognised: senders of webhooks repeat for half an hour
    (docs/upstreams/reseller.md, "Webhooks").
    """

    max_events: int = 10_000
    queue_size: int = 256
    outbox_size: int = 10_000
    window: float = 3600.0
    close_timeout: float = 5.0


# One is created for each change: a dataclass would take several times as long.
class UserEvent(msgspec.Struct, frozen=True):
    """A change that happened to a user, and the user after it.

    `id` is an opaque resume token. Within one log, the id of a later event is greater as text.
    """

    id: str
    change: UserChange
    user: User
    occurred_at: Timestamp


def event_time(seconds: float) -> Timestamp:
    """Return the time of an event in seconds since 1970 as text; `datetime.isoformat` takes several times as long."""
    whole = int(seconds)
    return Timestamp(f"{utc_second(whole)}.{int((seconds - whole) * 1_000_000):06}+00:00")


class Subscription(Protocol):
    """An iterator over events in their order, each once. It has one reader."""

    @property
    def start(self) -> str:
        """The resume token of the position before its first event, for a subscription that ends without one."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> UserEvent:
        """Wait for the next event and return it.

        Raises:
            SlowReader: the queue overflowed; its events are dropped here, and still in the log.
            NoLongerHeld: the log was lost, and perhaps events with it.
            Draining: the log or the process stops, and all events until then were read.
        """

    def end(self, reason: GatewayError) -> None:
        """Accept no more events; the reader gets the reason after the events in the queue.

        Unauthenticated and Forbidden it gets at once: the caller may not have these events any more.
        """

    async def ended(self) -> GatewayError:
        """Wait until it accepts no more events, and return the reason. It wakes a reader that is blocked elsewhere."""


class EventLog(Protocol):
    """The latest changes of users.

    A change that is reported twice, by the gateway that carried it out and by its source, is one event. A report with
    an older time of change than the last event of the user is no event. Listeners get these reports as unknown changes
    of the user.
    """

    @property
    def subscribers(self) -> int:
        """The number of subscriptions in this process."""

    def require_writable(self) -> Awaitable[None] | None:
        """Check that events can be written, before a change that nobody else would report.

        None: they can, and nothing has to be awaited for that.

        Raises:
            SourceUnavailable: they cannot.
        """

    def publish(self, change: UserChange, user: User, change_id: str = "", *, repeated: bool = False) -> None:
        """Append an event of this gateway. It never waits and never raises: the change has already happened.

        A process may end after it has published an event and before it has stored the result of the change. If the
        change is `repeated`, the event is not appended again: it has the same `change_id` and time of change, or it is
        the last one of its user, with the same time, or a time was missing from one of the two.
        """

    def publish_and_wait(
        self, change: UserChange, user: User, change_id: str = "", *, repeated: bool = False
    ) -> Awaitable[None] | None:
        """Do the same, and wait until the event is in the log, but at most a second: then it is appended later.

        None: it is in the log already.
        """

    async def append(
        self, change: UserChange, user: User, *, name: str | None = None, occurred_at: Timestamp | None = None
    ) -> bool:
        """Append an event that a source reported; return False if it was in the log already, or is superseded.

        When it returns, the event or a later one of the user is in the log. `name` identifies the report where the user
        has no time of change. `occurred_at` is the time of the event if the source reported one; otherwise it is now.

        Raises:
            SourceUnavailable: the event may not be in the log; append it again.
        """

    async def append_unknown(self, source: UserSource) -> None:
        """Let all processes drop what they have read of a source: it has changed, and how is not known.

        Raises:
            SourceUnavailable: they may not know of it; append it again.
        """

    async def append_altered(self, users: Sequence[User]) -> None:
        """Let all processes drop these users, unless they have read them as they are here; it is no event.

        Raises:
            SourceUnavailable: they may not know of it; append it again.
        """

    def subscribe(
        self, *, ids: Collection[Ref] = (), sources: Collection[UserSource] = (), after: str | None = None
    ) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to events from now on, or to those after a resume token.

        `ids` and `sources` are filters; an empty one admits all users or all sources.

        Raises, when it is entered:
            BadUserInput: `after` is not a resume token.
            NoLongerHeld: some events after the token were dropped.
            SourceUnavailable: the log cannot be reached, so that the token cannot be checked.
            Draining: the log is closed.
        """

    @property
    def catch_up(self) -> Callable[[], Awaitable[bool]] | None:
        """A function that waits until all events are read that other processes have written by now.

        It returns False if that is impossible at present. None: no other process writes to the log.
        """

    def on_change(self, listener: "ChangeListener") -> None:
        """Call the listener for each event of any replica, before subscriptions get it, and for unknown changes."""

    async def aclose(self) -> None:
        """End all subscriptions with Draining; events that are published later are lost."""


@dataclass(frozen=True, slots=True)
class UnknownChanges:
    """Records of a source may have changed, of any source where it is None, and which ones is not known.

    `user`: that user alone may have changed. It was reported, and the report is no event: it is repeated or superseded,
    or about something that changes by itself. Who has read the user since its event can have read another state than
    the reported one, even where a report has the same time of change: a user can be changed to and fro within a second.
    `fingerprint` is that of the reported state (`user_fingerprint`), empty where the user was deleted.
    """

    source: UserSource | None = None
    user: Ref | None = None
    fingerprint: str = ""

    @classmethod
    def of(cls, user: User, change: UserChange = UserChange.UPDATED) -> "UnknownChanges":
        """Return those of a user who was reported as it is here, or, with a deletion, as it was before that."""
        return cls(user.source, user.ref, "" if change is UserChange.DELETED else user_fingerprint(user))


ChangeListener = Callable[[UserEvent | UnknownChanges], None]
"""A function that is called with each event, and where events may have been lost. It must neither wait nor raise."""


class SlowReader(RateLimited):
    """The queue of a subscription is full; it can be resumed after the last event that was read."""

    def __init__(self) -> None:
        super().__init__("Events arrived faster than they were read. Resume after the last event.", retry_after=1.0)


class NoLongerHeld(NotFound):
    """Some events after a resume token were dropped, or only a process that has ended had them."""

    def __init__(self) -> None:
        super().__init__(
            "Some events after this resume token are no longer held. Watch without a token, then read the users again."
        )


class Draining(SourceUnavailable):
    """This process is stopping; a client can resume at another replica."""

    def __init__(self) -> None:
        super().__init__("This server is stopping. Connect again and resume.", retry_after=1.0)


class LogEvent(StrEnum):
    """What the log did with an event or a subscription, for metrics. The detail is a source, or empty."""

    PUBLISHED = "published"
    """The event is in the log; detail: the source of the user."""

    REPEATED = "repeated"
    """The event was in the log already: its report was repeated; detail: the source of the user."""

    SUPERSEDED = "superseded"
    """The report was dropped: a later change of the user is in the log; detail: the source of the user."""

    LOST = "lost"
    """The event could not be written to Redis: the outbox was full, or the process stopped; detail: its source."""

    SLOW_READER = "slow_reader"
    """A subscription was ended because its queue was full; no detail."""

    GAP = "gap"
    """The log in Redis was lost or trimmed before it was read, so that the subscriptions were ended; no detail."""


LogObserver = Callable[[LogEvent, str], None]
"""A function that is called with each LogEvent and its detail. It must not raise."""


def ignore_log_event(_event: LogEvent, _detail: str) -> None:
    """Do nothing: the observer where no metrics are kept."""
