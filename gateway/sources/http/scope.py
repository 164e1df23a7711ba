"""What a surface says around each operation: how long it may take. Who asks is said by the service.

The surfaces may not know this folder: `app.py` hands them `operation` as a plain function.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.sources.http.deadline import Deadline, current_deadline

__all__ = ["operation"]


@contextmanager
def operation(
    *, timeout: float | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Deadline | None]:
    """The scope of one operation: every call made inside, in its tasks too, is bounded by it.

    `timeout` is in seconds; None leaves each source's own.
    """
    deadline = None if timeout is None else Deadline.after(timeout, clock)
    before = current_deadline.set(deadline)
    try:
        yield deadline
    finally:
        current_deadline.reset(before)
