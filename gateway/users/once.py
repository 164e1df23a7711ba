"""A change is carried out at most once under its key: what the service needs for that, and what is kept."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.errors import BadUserInput, Conflict, GatewayError, NotFound

__all__ = ["Once", "is_refusal"]


class Once(Protocol):
    """Carries a change out, or gives the answer that it had."""

    async def __call__(
        self, scope: Sequence[str], fingerprint: str, change: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """The answer of the one change of that scope, and whether it is the first call's, given again.

        What the change returns is kept; where it raises, nothing is, and it may be sent again.

        Raises:
            IdempotencyConflict: the scope had another fingerprint before.
            IdempotencyInProgress: the first call still runs.
        """


def is_refusal(error: GatewayError) -> bool:
    """Whether a failed change would fail in the same way again, and was not carried out: then that is the answer.

    Not a source's refusal of our own credentials, which somebody will put right, nor what may pass.
    """
    return isinstance(error, (BadUserInput, NotFound, Conflict)) and not error.retryable and error.outcome is None
