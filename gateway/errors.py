"""What can go wrong, as one family of exceptions; each surface spells it in its own table.

GatewayError
 ├─ BadUserInput            a rule of ours or of the source is broken
 ├─ Unauthenticated         the caller did not say who it is
 ├─ Forbidden               the caller may not do this
 ├─ NotFound                the target of a change does not exist
 ├─ Conflict                taken e-mail, taken username, already linked
 ├─ IdempotencyConflict     a key was used again with another payload
 ├─ IdempotencyInProgress   the first call under this key still runs
 ├─ RateLimited             the source's limit or ours
 ├─ Internal                a defect of ours
 └─ SourceError
     ├─ SourceNotConfigured     no base URL and token for that system
     ├─ SourceCredentials       the source refused our token or its scope
     ├─ SourceTimeout           no answer in time
     ├─ SourceUnavailable       connection refused or lost, 5xx
     └─ SourceInvalidResponse   not JSON, not the documented shape
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import ClassVar, Self

__all__ = [
    "BadUserInput",
    "Code",
    "Conflict",
    "Forbidden",
    "GatewayError",
    "IdempotencyConflict",
    "IdempotencyInProgress",
    "Internal",
    "NotFound",
    "Origin",
    "Outcome",
    "RateLimited",
    "SourceCredentials",
    "SourceError",
    "SourceInvalidResponse",
    "SourceNotConfigured",
    "SourceTimeout",
    "SourceUnavailable",
    "Unauthenticated",
    "Violation",
]


class Code(StrEnum):
    """The error vocabulary: GraphQL's `extensions.code`, gRPC's `ErrorInfo.reason`."""

    BAD_USER_INPUT = "BAD_USER_INPUT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    RATE_LIMITED = "RATE_LIMITED"
    SOURCE_NOT_CONFIGURED = "SOURCE_NOT_CONFIGURED"
    SOURCE_CREDENTIALS = "SOURCE_CREDENTIALS"
    SOURCE_TIMEOUT = "SOURCE_TIMEOUT"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    SOURCE_INVALID_RESPONSE = "SOURCE_INVALID_RESPONSE"
    INTERNAL = "INTERNAL"


class Outcome(StrEnum):
    """What became of a change that failed, where that is not plain from the code."""

    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule.

    `path` names the field in the domain's spelling, e.g. `("preferences", 0, "enabled")`;
    the surface puts it into the words that its client wrote.
    """

    path: tuple[str | int, ...]
    message: str

    @property
    def field(self) -> str:
        """The field in the domain's spelling, e.g. `preferences.0.enabled`."""
        return ".".join(map(str, self.path))


@dataclass(frozen=True, slots=True)
class Origin:
    """The source's side of a failure, as far as a caller may see it: never a URL, a header or a body."""

    source: str | None = None
    code: str | None = None
    message: str | None = None
    request_id: str | None = None
    http_status: int | None = None


class GatewayError(Exception):
    """A failure in the gateway's own words.

    `retry_after` is in seconds. `retryable` says whether the same call may succeed later.
    `outcome` is set on a change that may have been carried out although it failed.
    """

    code: ClassVar[Code] = Code.INTERNAL
    transient: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        origin: Origin | None = None,
        violations: Sequence[Violation] = (),
        retryable: bool | None = None,
        retry_after: float | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.origin = origin or Origin()
        self.violations = tuple(violations)
        self.retryable = self.transient if retryable is None else retryable
        self.retry_after = retry_after
        self.outcome = outcome


class BadUserInput(GatewayError):
    """A rule of ours or of the source is broken; `violations` says which, all at once."""

    code = Code.BAD_USER_INPUT

    @classmethod
    def at(cls, path: tuple[str | int, ...], message: str) -> Self:
        """One broken rule; `message` goes on after the name of the field, e.g. `must not be empty`."""
        return cls.of([Violation(path, message)])

    @classmethod
    def of(cls, violations: Sequence[Violation]) -> Self:
        """Broken rules, as one message that names each field."""
        return cls(_sentence(violations, _field), violations=violations)

    def spelled(self, field_path: Callable[[Violation], str]) -> str:
        """The message, its fields spelled as `field_path` says, where it was made of the violations."""
        is_made_of_them = self.violations and self.message == _sentence(self.violations, _field)
        return _sentence(self.violations, field_path) if is_made_of_them else self.message


class Unauthenticated(GatewayError):
    """The caller did not say who it is, or was not believed."""

    code = Code.UNAUTHENTICATED


class Forbidden(GatewayError):
    """The caller is known and may not do this."""

    code = Code.FORBIDDEN


class NotFound(GatewayError):
    """The target of a change does not exist."""

    code = Code.NOT_FOUND


class Conflict(GatewayError):
    """The change collides with a record that is there: taken e-mail, taken username, already linked."""

    code = Code.CONFLICT


class IdempotencyConflict(GatewayError):
    """An idempotency key was used again with another payload."""

    code = Code.IDEMPOTENCY_CONFLICT


class IdempotencyInProgress(GatewayError):
    """The first call under this idempotency key still runs."""

    code = Code.IDEMPOTENCY_IN_PROGRESS
    transient = True


class RateLimited(GatewayError):
    """The source's limit or ours is reached; `retry_after` says when to come back."""

    code = Code.RATE_LIMITED
    transient = True


class Internal(GatewayError):
    """A defect of ours. Its message is for the log, never for the caller."""

    code = Code.INTERNAL


class SourceError(GatewayError):
    """A system behind the gateway failed or could not be asked."""


class SourceNotConfigured(SourceError):
    """That system has no base URL and token here."""

    code = Code.SOURCE_NOT_CONFIGURED


class SourceCredentials(SourceError):
    """The source refused our token or its scope: never the caller's own 401."""

    code = Code.SOURCE_CREDENTIALS


class SourceTimeout(SourceError):
    """The source did not answer in time."""

    code = Code.SOURCE_TIMEOUT
    transient = True


class SourceUnavailable(SourceError):
    """The source could not be reached, hung up, or answered 5xx."""

    code = Code.SOURCE_UNAVAILABLE
    transient = True


class SourceInvalidResponse(SourceError):
    """The source answered something that it does not document."""

    code = Code.SOURCE_INVALID_RESPONSE


_field = attrgetter("field")


def _sentence(violations: Sequence[Violation], field_path: Callable[[Violation], str]) -> str:
    return f"{'; '.join(f'{field_path(one)} {one.message}' for one in violations)}."
