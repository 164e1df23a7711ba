"""Sources that could not be asked: told beside what the others answered, raised where none did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from gateway.errors import Code, GatewayError
from gateway.users.model import UserSource

__all__ = ["Unavailable", "raise_most_telling"]

# What somebody has to put right comes before what passes by itself.
_TELLING = (
    Code.UNAUTHENTICATED,
    Code.SOURCE_CREDENTIALS,
    Code.SOURCE_INVALID_RESPONSE,
    Code.RATE_LIMITED,
    Code.SOURCE_TIMEOUT,
    Code.SOURCE_UNAVAILABLE,
)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A source whose part is missing, and why; `retry_after` is in seconds."""

    source: UserSource
    code: Code
    message: str
    retry_after: float | None = None

    @classmethod
    def of(cls, source: UserSource, error: GatewayError) -> "Unavailable":
        """What a caller is told of a source's failure."""
        return cls(source, error.code, error.message, error.retry_after)


def raise_most_telling(errors: Sequence[GatewayError]) -> NoReturn:
    """Raise the error that says most of why no source answered."""
    ranks = {code: rank for rank, code in enumerate(_TELLING)}
    raise min(errors, key=lambda error: ranks.get(error.code, len(ranks)))
