"""Windows of lists that are addressed by offset or page number, where users move when others are created or deleted."""

from gateway.users.model import User
from gateway.users.source import Window

__all__ = ["page_containing", "window"]


def window(users: tuple[User, ...], start: int, *, size: int, has_more: bool) -> Window:
    """Return the window of at most `size` users that begins at offset `start`; its positions are offsets.

    The next window begins with the last user of this one: if that user is not there, users have moved.
    """
    step = max(1, len(users) - 1)
    return Window(
        users,
        next=str(start + step) if has_more else None,
        previous=str(max(0, start - max(1, size - 1))) if start else None,
        overlapping=True,
    )


def page_containing(offset: int, max_size: int) -> tuple[int, int]:
    """Return the number and the size of the page that contains the offset and has the most users after it.

    The size decides where all pages begin: among the sizes from half of the maximum on, there is one with a page that
    begins shortly before the offset, so that the overlap costs an eighth of a page instead of a second page.
    `max_size` should be some dozens: among few sizes there may be none whose page continues after the offset.
    """
    if offset == 0:
        return 1, max_size
    size = max(range(max_size // 2, max_size + 1), key=lambda size: (offset // size + 1) * size)
    return offset // size + 1, size
