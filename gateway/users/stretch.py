"""Users in hand: what a window holds behind a walk's place, and the progress behind each of them."""

from dataclasses import dataclass
from typing import NamedTuple

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

    def behind(self, passed: int) -> Progress:
        """The progress once so many of the users were passed."""
        if self.window is None:
            return self.start
        anchor = Anchor.behind(self.users[:passed], self.start.anchor)
        if passed < len(self.users):
            return Progress(self.start.position, anchor)
        return Progress.behind(self.window, anchor, sure=self.sure)


class Place(NamedTuple):
    """Where a walk stands in one source. Made for every user, so it is a bare tuple that nothing is computed for."""

    stretch: Stretch
    passed: int

    @property
    def progress(self) -> Progress:
        return self.stretch.behind(self.passed)
