"""What a surface says around each operation: how long it may take, and who asks.

The surfaces may not know this folder: `app.py` hands them `operation` as a plain function.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gateway.sources.http.deadline import Deadline, current_deadline

__all__ = ["current_principal", "operation"]

current_principal: ContextVar[str] = ContextVar("current_principal", default="")
"""Whose call it is: a name that two callers never share. Empty where nobody is told apart."""


@contextmanager
def operation(
    *, timeout: float | None = None, principal: str = "", clock: Callable[[], float] = time.monotonic
) -> Iterator[Deadline | None]:
    """The scope of one operation: every call made inside, in its tasks too, is bounded and attributed by it.

    `timeout` is in seconds; None leaves each source's own.
    """
    deadline = None if timeout is None else Deadline.after(timeout, clock)
    deadline_before = current_deadline.set(deadline)
    principal_before = current_principal.set(principal)
    try:
        yield deadline
    finally:
        current_principal.reset(principal_before)
        current_deadline.reset(deadline_before)
