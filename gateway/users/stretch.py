"""Users in hand: what a window holds behind a walk's place, and the progress behind each of them."""

from dataclasses import dataclass

import msgspec

from gateway.users.model import User
from gateway.users.progress import Anchor, Progress
from gateway.users.source import Window

__all__ = ["Place", "Stretch"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The users to be passed next; without a window none are in hand yet, and the walk stands at `start`.

    `sure` says that all whom the walk passed come before them (`Search.sure`).
    """

    start: Progress
    window: Window | None = None
    sure: bool = False

    @property
    def users(self) -> tuple[User, ...]:
        return () if self.window is None else self.window.items

    def done(self, passed: int) -> bool:
        """Whether the walk is through with the source once so many of the users were passed."""
        if self.window is None:
            return self.start.done
        return passed == len(self.window.items) and self.window.next is None

    def behind(self, passed: int) -> Progress:
        """The progress once so many of the users were passed."""
        if self.window is None:
            return self.start
        anchor = Anchor.behind(self.users[:passed], self.start.anchor)
        if passed < len(self.users):
            return Progress(self.start.position, anchor)
        return Progress.behind(self.window, anchor, sure=self.sure)


class Place(msgspec.Struct, frozen=True):
    """Where a walk stands in one source. Made for every user, so nothing is computed for it."""

    stretch: Stretch
    passed: int

    @property
    def progress(self) -> Progress:
        return self.stretch.behind(self.passed)
