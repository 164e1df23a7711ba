"""Lists that count places, by offset or by page number: windows that overlap, since users move when others go."""

from gateway.users.model import User
from gateway.users.source import Window

__all__ = ["covering", "window"]


def window(users: tuple[User, ...], start: int, *, size: int, more: bool) -> Window:
    """The window of users from place `start` on, of `size` at the most; its positions are places.

    The next one begins with the last user of this one: where it does not, users have moved.
    """
    step = max(1, len(users) - 1)
    return Window(
        users,
        next=str(start + step) if more else None,
        previous=str(max(0, start - max(1, size - 1))) if start else None,
        overlapping=True,
    )


def covering(place: int, largest: int) -> tuple[int, int]:
    """The numbered page, and its size, that has the place and goes on furthest behind it.

    A page's size decides where all pages begin: among the sizes from half of the largest on there is one
    that begins close to the place, so that the overlap costs an eighth of a page and not a second page.
    `largest` is to be some dozens: among few sizes there may be none that goes on behind a place.
    """
    if place == 0:
        return 1, largest
    size = max(range(largest // 2, largest + 1), key=lambda size: (place // size + 1) * size)
    return place // size + 1, size
