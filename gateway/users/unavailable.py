"""Sources that are missing from a list, and which of their errors stands for all."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from gateway.errors import Code, FailedCall, GatewayError, Internal
from gateway.kit.source_titles import titled
from gateway.operation import current_operation
from gateway.users.model import Timestamp, UserSource

__all__ = ["Unavailable", "raise_most_relevant"]

_LOG = logging.getLogger("gateway.users")

# Errors that somebody has to correct come before those that pass.
_RELEVANCE = (
    Code.UNAUTHENTICATED,
    Code.SOURCE_CREDENTIALS,
    Code.SOURCE_INVALID_RESPONSE,
    Code.RATE_LIMITED,
    Code.SOURCE_TIMEOUT,
    Code.SOURCE_UNAVAILABLE,
)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A source whose users are missing from a list, and the error; `retry_after` is in seconds.

    `as_of`: its users are not missing, but as they were read then, since they were kept. `failed_call` is for operators
    alone.
    """

    source: UserSource
    code: Code
    message: str
    retry_after: float | None = None
    failed_call: FailedCall | None = field(default=None, repr=False, compare=False)
    as_of: Timestamp | None = None

    @classmethod
    def of(cls, source: UserSource, error: GatewayError, as_of: Timestamp | None = None) -> "Unavailable":
        """Return the source for its error. A defect is logged, and its message is not shown to callers."""
        message = error.message
        if isinstance(error, Internal):
            message = Internal.masked
            current = current_operation.get()
            fields = {"request_id": None if current is None else current.request_id}
            _LOG.error("a list was read without the %s source: a defect", titled(source), exc_info=error, extra=fields)
        return cls(source, error.code, message, error.retry_after, error.failed_call, as_of)


def raise_most_relevant(errors: Sequence[GatewayError]) -> NoReturn:
    """Raise the error that best explains why no source responded."""
    ranks = {code: rank for rank, code in enumerate(_RELEVANCE)}
    raise min(errors, key=lambda error: ranks.get(error.code, len(ranks)))
