"""By what a change is known when it is told again.

Who changes a user through this gateway tells of it; then its system does, by a webhook or when it is asked: the
same user, changed at the same time. A system's answer to a change may leave out when that was; then what the user
is like has to do, but only against what was told of that user last: between two equal states may be another one.
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

# Not among them: what a system may leave out, or what changes without anybody changing the user.
_PLAIN = (
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
_LINKED = ("role", "department", "organization", "current_account")


@dataclass(frozen=True, slots=True)
class DeduplicationKeys:
    """What is said by every telling of one change, for comparing only.

    `once` is the change itself; `user` whom it is about and `content` what the user is then like; `dated`, whether
    the system said when it was.
    """

    once: str
    user: str
    content: str
    dated: bool


def deduplication_keys(change: UserChange, user: User, name: str | None = None) -> DeduplicationKeys:
    """The marks of an event; `name` is what its teller calls it. Without name and time no other has its `once`."""
    ref = ref_of(user)
    who = [ref.source, ref.tenant.casefold(), ref.source_id.casefold()]
    linked = [getattr(record, "source_id", None) for record in (getattr(user, field) for field in _LINKED)]
    content = _digest(change is UserChange.DELETED, [getattr(user, field) for field in _PLAIN], linked)
    if user.updated_at is not None:
        once = _digest(change, who, user.updated_at, content)
    else:
        once = secrets.token_hex(16) if name is None else _digest(name)
    return DeduplicationKeys(once, _digest(who), content, dated=user.updated_at is not None)


def _digest(*parts: Any) -> str:
    return blake2b(orjson.dumps(parts, default=asdict), digest_size=16).hexdigest()


_MOST = 100_000  # of each kind: some 20 MiB


class RecentChanges:
    """Tells news from echoes. Remembers for `window` seconds, and no more than so many."""

    def __init__(self, window: float, *, most: int = _MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._most = most
        self._clock = clock
        self._once: OrderedDict[str, float] = OrderedDict()  # until when; the oldest first
        self._last: OrderedDict[str, tuple[float, str, bool]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._once)

    def is_news(self, marks: DeduplicationKeys, *, heard: bool) -> bool:
        """Whether it was not told; it is from then on. `heard` is what we did not do ourselves."""
        now = self._clock()
        self._forget(now)
        if marks.once in self._once:
            return False
        until = now + self._window
        self._once[marks.once] = until
        _, content, dated = self._last.get(marks.user, (0.0, "", False))
        echo = heard and content == marks.content and dated != marks.dated
        # An echo says when it was: what comes with another time after it is another change.
        self._last[marks.user] = until, marks.content, marks.dated or echo
        self._last.move_to_end(marks.user)
        return not echo

    def _forget(self, now: float) -> None:
        while self._once and (len(self._once) >= self._most or next(iter(self._once.values())) <= now):
            self._once.popitem(last=False)
        while self._last and (len(self._last) >= self._most or next(iter(self._last.values()))[0] <= now):
            self._last.popitem(last=False)
