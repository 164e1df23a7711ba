"""Remembers which users a reseller has, so that not every webhook about them takes a read."""

import time
from collections import OrderedDict
from collections.abc import Callable

from gateway.users.ids import Ref

__all__ = ["KnownUsers"]

_MAX_USERS = 10_000
_SECONDS = 3600.0


class KnownUsers:
    """The users that were read or changed at their reseller in the last hour, the latest 10,000 of them.

    Ids are compared without case: GUIDs are written in both cases.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expiries: OrderedDict[tuple[str, str], float] = OrderedDict()  # the one that was seen longest ago first

    def __contains__(self, ref: Ref) -> bool:
        return self._expiries.get(_key(ref), 0.0) > self._clock()

    def add(self, ref: Ref) -> None:
        """Remember that the reseller has this user."""
        key = _key(ref)
        self._expiries[key] = self._clock() + _SECONDS
        self._expiries.move_to_end(key)
        if len(self._expiries) > _MAX_USERS:
            self._expiries.popitem(last=False)

    def discard(self, ref: Ref) -> None:
        """Forget a user that was deleted."""
        self._expiries.pop(_key(ref), None)


def _key(ref: Ref) -> tuple[str, str]:
    return ref.tenant.casefold(), ref.source_id.casefold()
