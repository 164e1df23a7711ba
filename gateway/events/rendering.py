"""A surface's form of an event, made once for all who follow it there."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.events.log import UserEvent

__all__ = ["Rendered"]

R = TypeVar("R")
_MOST = 256  # as many as may wait for one reader, so that the slowest finds what the quickest had made


class Rendered(Generic[R]):
    """Renders events, and keeps the latest `most` of what it made: by their ids, which no two events share."""

    def __init__(self, render: Callable[[UserEvent], R], *, most: int = _MOST) -> None:
        self._render = render
        self._most = most
        self._made: OrderedDict[str, R] = OrderedDict()

    def __len__(self) -> int:
        return len(self._made)

    def __call__(self, event: UserEvent) -> R:
        """The event's form; it is shared, so nobody may alter it."""
        try:
            return self._made[event.id]
        except KeyError:
            made = self._made[event.id] = self._render(event)
        if len(self._made) > self._most:
            self._made.popitem(last=False)
        return made
