"""Recognises reports of one change as the same event, in memory; in Redis `state/redis/event_stream.py` does so.

A change made through this gateway is reported twice: by the gateway and by its source, in a webhook or when it is
polled. Usually the gateway is first; the second report, the echo, has the same user and the same time of change. Where
a source omits the time in its response to a change, the content of the user is compared instead, but only with the
latest report about that user: between two equal states there may have been another one.

A report of a source is repeated if anybody reported the same event before. A report of the gateway is repeated only if
the source reported the event first: the gateway reports each change once, so two equal reports are two changes. Times
may have whole seconds, in which a user can be changed to and fro.

A report with an older time than the last event of its user is superseded: it does not become an event, since it would
leave subscribers with a state that is no longer true. It comes from two changes at the same time, of which the first
one is reported last, and from a webhook that was sent again.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import msgspec
import orjson
from msgspec.structs import asdict

from gateway.events.log import LogEvent
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = ["DeduplicationKeys", "RecentChanges", "deduplication_keys"]

# Without the fields that a source may omit, and those that change although nobody changed the user.
_VALUE_FIELDS = (
    "name",
    "first_name",
    "last_name",
    "email",
    "username",
    "image_url",
    "phone",
    "source_status",
    "company",
    "settings",
    "two_factor_enabled",
    "google_sso_enabled",
)
# Of a deleted user of these sources, polling finds only that it is gone, and knows when it was changed last. A webhook
# has the user as well: the two are one event.
_FOUND_GONE = frozenset({UserSource.RESELLER})
_values_of = attrgetter(*_VALUE_FIELDS)
_IMAGE_URL = _VALUE_FIELDS.index("image_url")


# These and the reports below are created for each change: dataclasses would take several times as long.
class DeduplicationKeys(msgspec.Struct, frozen=True, gc=False):
    """The hashes by which an event is recognised when it is reported again.

    `event` identifies the event, `user` the user, and `content` the user's fields after the change. `dated` is whether
    the source gave the time of the change. `order` is that time, in a form in which the later of two times is the
    greater text, and a deletion is later than another change of the same instant; it is empty where the time is
    missing or cannot be true.
    """

    event: Hashable
    user: Hashable
    content: Hashable
    dated: bool
    order: str = ""
    deletion: bool = False


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_DIFFERENCE = 60.0  # seconds; a later time than that in the future would supersede changes for a long time
_DAY = 86_400  # seconds
_ORDER_DIGITS = 21
_PUBLISHED, _DELETED = LogEvent.PUBLISHED, UserChange.DELETED  # CONTRIBUTING.md, "Speed"


def _digest(parts: tuple[Any, ...]) -> str:
    """Return the same digest in all processes."""
    return blake2b(orjson.dumps(parts, default=asdict), digest_size=16).hexdigest()


def deduplication_keys(
    change: UserChange,
    user: User,
    name: str | None = None,
    *,
    now: float | None = None,
    digest: Callable[[tuple[Any, ...]], Hashable] = _digest,
) -> DeduplicationKeys:
    """Return the keys of an event.

    `name` identifies the report; it is used where the user has no time of change. Without both, `event` is random, so
    that no other event equals it. A time of change later than `now`, by default the present, is not used. `digest`
    makes the keys: for one process alone `hash` is enough, which has 64 bits and a random key, and takes a tenth of the
    time.
    """
    identity = (user.source, user.tenant.casefold(), user.source_id.casefold())
    role, department, organization, account = user.role, user.department, user.organization, user.current_account
    record_ids = (
        None if role is None else role.source_id,
        None if department is None else department.source_id,
        None if organization is None else organization.source_id,
        None if account is None else account.source_id,
    )
    deletion = change is _DELETED
    values = _values_of(user)
    if user.image_url and "?" in user.image_url:  # without a signature, which differs from response to response
        values = (*values[:_IMAGE_URL], user.image_url.partition("?")[0], *values[_IMAGE_URL + 1 :])
    content = digest((deletion, values, record_ids))
    if deletion and user.source in _FOUND_GONE:
        time_of_change = None if user.updated_at is None else user.updated_at.instant().isoformat()
        event = digest((change, identity, time_of_change))
    elif user.updated_at is not None:
        event = digest((change, identity, user.updated_at, content))
    else:
        event = secrets.token_hex(16) if name is None else digest((name,))
    order = _order(user.updated_at, time.time() if now is None else now, deletion=deletion)
    return DeduplicationKeys(
        event, digest((identity,)), content, dated=user.updated_at is not None, order=order, deletion=deletion
    )


def _order(updated_at: Timestamp | None, now: float, *, deletion: bool) -> str:
    """Return `DeduplicationKeys.order`."""
    if updated_at is None:
        return ""
    try:
        since = updated_at.instant() - _EPOCH
    except ValueError:
        return ""
    seconds = since.days * _DAY + since.seconds  # a division of two `timedelta` takes many times as long
    microseconds = seconds * 1_000_000 + since.microseconds
    if not 0 < microseconds < (now + _CLOCK_DIFFERENCE) * 1_000_000:
        return ""
    return str(microseconds * 10 + (2 if deletion else 1)).zfill(_ORDER_DIGITS)


_MAX_ENTRIES = 100_000  # events, and as many users: about 50 MiB


class _LastReport(msgspec.Struct, gc=False):
    """The last report of a user that became an event, and the time on the clock at which it is forgotten."""

    expires_at: float
    content: Hashable
    dated: bool
    order: str


class RecentChanges:
    """Recognises repeated and superseded reports of changes for `window` seconds, among the latest `max_entries`."""

    def __init__(
        self, window: float, *, max_entries: int = _MAX_ENTRIES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._window = window
        self._max_entries = max_entries
        self._clock = clock
        # Of each event, the oldest first: when it is forgotten, and whether only its source has reported it.
        self._events: OrderedDict[Hashable, tuple[float, bool]] = OrderedDict()
        self._users: OrderedDict[Hashable, _LastReport] = OrderedDict()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, keys: DeduplicationKeys, *, external: bool) -> LogEvent:
        """Remember a report and return what it is: PUBLISHED where it is a new event, REPEATED or SUPERSEDED.

        `external` is whether the report came from a source, not from this gateway.
        """
        now = self._clock()
        self._forget_expired(now)
        expires_at = now + self._window
        event, content, order = keys.event, keys.content, keys.order
        before = self._events.get(event)
        if before is not None:
            if external:
                return LogEvent.REPEATED
            if before[1]:
                self._events[event] = expires_at, False
                return LogEvent.REPEATED
            self._events.move_to_end(event)
        self._events[event] = expires_at, external
        last = self._users.get(keys.user)
        if last is not None:
            if external and last.content == content and last.dated != keys.dated:
                # An echo supplies the missing time: a later report with another time is another change.
                self._events[event] = expires_at, False
                self._remember(keys.user, _LastReport(expires_at, content, dated=True, order=max(last.order, order)))
                return LogEvent.REPEATED
            order = order or last.order
            if order < last.order:
                if not keys.deletion:
                    return LogEvent.SUPERSEDED
                order = last.order[:-1] + order[-1]
        self._remember(keys.user, _LastReport(expires_at, content, keys.dated, order))
        return _PUBLISHED

    def _remember(self, user: Hashable, report: _LastReport) -> None:
        self._users[user] = report
        self._users.move_to_end(user)

    def _forget_expired(self, now: float) -> None:
        while self._events and (len(self._events) >= self._max_entries or next(iter(self._events.values()))[0] <= now):
            self._events.popitem(last=False)
        while self._users and (
            len(self._users) >= self._max_entries or next(iter(self._users.values())).expires_at <= now
        ):
            self._users.popitem(last=False)
