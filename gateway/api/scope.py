"""What a surface does an operation in; the composition root hands it in, for the surfaces know no source."""

from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["Scope"]


class Scope(Protocol):
    """Bounds what is done inside by seconds, and puts it into a trace."""

    def __call__(
        self, *, timeout: float | None = None, traceparent: str | None = None
    ) -> AbstractContextManager[object]: ...
