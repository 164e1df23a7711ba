"""Recognises reports of one change as the same event, in memory; in Redis `state/redis/event_stream.py` does so.

A change made through this gateway is reported twice: first by the gateway, then by its source, in a webhook or when
it is polled. That second report, the echo, has the same user and the same time of change. Where a source omits the
time in its response to a change, the content of the user is compared instead, but only with the latest report about
that user: between two equal states there may have been another one.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from msgspec.structs import asdict

from gateway.users.ids import ref_of
from gateway.users.model import User, UserChange

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
_RECORD_FIELDS = ("role", "department", "organization", "current_account")


@dataclass(frozen=True, slots=True)
class DeduplicationKeys:
    """The hashes by which an event is recognised when it is reported again.

    `event` identifies the event, `user` the user, and `content` the user's fields after the change. `dated` is whether
    the source gave the time of the change.
    """

    event: str
    user: str
    content: str
    dated: bool


def deduplication_keys(change: UserChange, user: User, name: str | None = None) -> DeduplicationKeys:
    """Return the keys of an event.

    `name` identifies the report; it is used where the user has no time of change. Without both, `event` is random, so
    that no other event equals it.
    """
    ref = ref_of(user)
    identity = [ref.source, ref.tenant.casefold(), ref.source_id.casefold()]
    record_ids = [getattr(record, "source_id", None) for record in (getattr(user, field) for field in _RECORD_FIELDS)]
    content = _digest(change is UserChange.DELETED, [getattr(user, field) for field in _VALUE_FIELDS], record_ids)
    if user.updated_at is not None:
        event = _digest(change, identity, user.updated_at, content)
    else:
        event = secrets.token_hex(16) if name is None else _digest(name)
    return DeduplicationKeys(event, _digest(identity), content, dated=user.updated_at is not None)


def _digest(*parts: Any) -> str:
    return blake2b(orjson.dumps(parts, default=asdict), digest_size=16).hexdigest()


_MAX_ENTRIES = 100_000  # events, and as many users: about 20 MiB


class RecentChanges:
    """Recognises repeated reports of changes for `window` seconds, among the latest `max_entries`."""

    def __init__(
        self, window: float, *, max_entries: int = _MAX_ENTRIES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._window = window
        self._max_entries = max_entries
        self._clock = clock
        self._events: OrderedDict[str, float] = OrderedDict()  # the expiry of each, the oldest first
        self._users: OrderedDict[str, tuple[float, str, bool]] = OrderedDict()  # expiry, content, dated

    def __len__(self) -> int:
        return len(self._events)

    def is_new(self, keys: DeduplicationKeys, *, external: bool) -> bool:
        """Return whether the change was not reported before, and remember it.

        `external` is whether the report came from a source, not from this gateway.
        """
        now = self._clock()
        self._forget_expired(now)
        if keys.event in self._events:
            return False
        expires_at = now + self._window
        self._events[keys.event] = expires_at
        _, content, dated = self._users.get(keys.user, (0.0, "", False))
        echo = external and content == keys.content and dated != keys.dated
        # An echo supplies the missing time: a later report with another time is another change.
        self._users[keys.user] = expires_at, keys.content, keys.dated or echo
        self._users.move_to_end(keys.user)
        return not echo

    def _forget_expired(self, now: float) -> None:
        while self._events and (len(self._events) >= self._max_entries or next(iter(self._events.values())) <= now):
            self._events.popitem(last=False)
        while self._users and (len(self._users) >= self._max_entries or next(iter(self._users.values()))[0] <= now):
            self._users.popitem(last=False)
