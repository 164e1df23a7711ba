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
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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
_RECORD_FIELDS = ("role", "department", "organization", "current_account")
_values_of = attrgetter(*_VALUE_FIELDS)
_records_of = attrgetter(*_RECORD_FIELDS)
_IMAGE_URL = _VALUE_FIELDS.index("image_url")


# These and the reports below are created for each change: dataclasses would take several times as long.
class DeduplicationKeys(msgspec.Struct, frozen=True, gc=False):
    """The hashes by which an event is recognised when it is reported again.

    `event` identifies the event, `user` the user, and `content` the user's fields after the change. `dated` is whether
    the source gave the time of the change. `order` is that time, in a form in which the later of two times is the
    greater text, and a deletion is later than another change of the same instant; it is empty where the time is
    missing or cannot be true.
    """

    event: str
    user: str
    content: str
    dated: bool
    order: str = ""
    deletion: bool = False


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_DIFFERENCE = timedelta(minutes=1)  # a later time than that in the future would supersede changes for a long time


def deduplication_keys(
    change: UserChange, user: User, name: str | None = None, *, now: datetime | None = None
) -> DeduplicationKeys:
    """Return the keys of an event.

    `name` identifies the report; it is used where the user has no time of change. Without both, `event` is random, so
    that no other event equals it. A time of change later than `now`, by default the present, is not used.
    """
    identity = (user.source, user.tenant.casefold(), user.source_id.casefold())
    record_ids = [None if record is None else getattr(record, "source_id", None) for record in _records_of(user)]
    deletion = change is UserChange.DELETED
    values = _values_of(user)
    if user.image_url:  # without a signature, which differs from response to response
        values = (*values[:_IMAGE_URL], user.image_url.partition("?")[0], *values[_IMAGE_URL + 1 :])
    content = _digest(deletion, values, record_ids)
    if deletion and user.source in _FOUND_GONE:
        event = _digest(change, identity, None if user.updated_at is None else user.updated_at.instant().isoformat())
    elif user.updated_at is not None:
        event = _digest(change, identity, user.updated_at, content)
    else:
        event = secrets.token_hex(16) if name is None else _digest(name)
    order = _order(user.updated_at, now or datetime.now(UTC), deletion=deletion)
    return DeduplicationKeys(
        event, _digest(identity), content, dated=user.updated_at is not None, order=order, deletion=deletion
    )


def _order(time: Timestamp | None, now: datetime, *, deletion: bool) -> str:
    """Return `DeduplicationKeys.order`."""
    try:
        instant = _EPOCH if time is None else time.instant()
    except ValueError:
        return ""
    if not _EPOCH < instant < now + _CLOCK_DIFFERENCE:
        return ""
    since = instant - _EPOCH
    seconds = since.days * 86_400 + since.seconds  # a division of two `timedelta` takes many times as long
    return f"{seconds * 1_000_000 + since.microseconds:020d}{2 if deletion else 1}"


def _digest(*parts: Any) -> str:
    return blake2b(orjson.dumps(parts, default=asdict), digest_size=16).hexdigest()


_MAX_ENTRIES = 100_000  # events, and as many users: about 50 MiB


class _LastReport(msgspec.Struct, gc=False):
    """The last report of a user that became an event, and the time on the clock at which it is forgotten."""

    expires_at: float
    content: bytes
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
        # Of each event, the oldest first: when it is forgotten, and whether only its source has reported it. The hashes
        # are bytes here, which take half the memory of hexadecimal digits.
        self._events: OrderedDict[bytes, tuple[float, bool]] = OrderedDict()
        self._users: OrderedDict[bytes, _LastReport] = OrderedDict()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, keys: DeduplicationKeys, *, external: bool) -> LogEvent:
        """Remember a report and return what it is: PUBLISHED where it is a new event, REPEATED or SUPERSEDED.

        `external` is whether the report came from a source, not from this gateway.
        """
        now = self._clock()
        self._forget_expired(now)
        expires_at = now + self._window
        to_bytes = bytes.fromhex
        event, user, content = to_bytes(keys.event), to_bytes(keys.user), to_bytes(keys.content)
        _, only_external = self._events.get(event, (0.0, False))
        if only_external or (external and event in self._events):
            if not external:
                self._events[event] = expires_at, False
            return LogEvent.REPEATED
        self._events[event] = expires_at, external
        self._events.move_to_end(event)
        last = self._users.get(user)
        if last is None:
            last = _LastReport(expires_at, b"", dated=False, order="")
        if external and last.content == content and last.dated != keys.dated:
            # An echo supplies the missing time: a later report with another time is another change.
            self._events[event] = expires_at, False
            self._remember(user, _LastReport(expires_at, content, dated=True, order=max(last.order, keys.order)))
            return LogEvent.REPEATED
        order = keys.order or last.order
        if order < last.order:
            if not keys.deletion:
                return LogEvent.SUPERSEDED
            order = last.order[:-1] + order[-1]
        self._remember(user, _LastReport(expires_at, content, keys.dated, order))
        return LogEvent.PUBLISHED

    def _remember(self, user: bytes, report: _LastReport) -> None:
        self._users[user] = report
        self._users.move_to_end(user)

    def _forget_expired(self, now: float) -> None:
        while self._events and (len(self._events) >= self._max_entries or next(iter(self._events.values()))[0] <= now):
            self._events.popitem(last=False)
        while self._users and (
            len(self._users) >= self._max_entries or next(iter(self._users.values())).expires_at <= now
        ):
            self._users.popitem(last=False)
