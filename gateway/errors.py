"""All exceptions that a caller can get, as one family. Each surface translates them by a table of its codes.

Part of the public API: programs that embed the gateway catch them, and raise them in the parts that they pass to it.

GatewayError
 ├─ BadUserInput            the input breaks a rule of the gateway or of a source
 ├─ ParseFailed             the GraphQL document has a syntax error
 ├─ ValidationFailed        the GraphQL document is not valid for the schema
 ├─ OperationNotFound       the GraphQL document has no such operation, or several and none was named
 ├─ Unauthenticated         no credential, or one that is not valid
 ├─ Forbidden               the caller lacks a scope
 ├─ NotFound                the target of a change does not exist
 ├─ Conflict                e-mail or username in use, or already linked
 ├─ IdempotencyConflict     an idempotency key was used with another payload
 ├─ IdempotencyInProgress   the first request with this idempotency key is still running
 ├─ RateLimited             the rate limit of the source or of the gateway is exceeded
 ├─ Internal                a defect of the gateway
 ├─ FieldNotLoaded          a program reads a field of a record that it has not requested
 └─ SourceError
     ├─ SourceNotConfigured     the source has no base URL or no token
     ├─ SourceCredentials       the source refused the credential or its scope
     ├─ SourceTimeout           the source did not respond in time
     ├─ SourceUnavailable       connection refused or lost, 5xx; Redis away, no slot, draining
     └─ SourceInvalidResponse   not JSON, or not the documented shape
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import ClassVar, Self

from gateway.violations import Bound, Rule, Violation, sentence_of

__all__ = [
    "BadUserInput",
    "Code",
    "Conflict",
    "FailedCall",
    "FieldNotLoaded",
    "Forbidden",
    "GatewayError",
    "IdempotencyConflict",
    "IdempotencyInProgress",
    "Internal",
    "NotFound",
    "OperationNotFound",
    "Origin",
    "Outcome",
    "ParseFailed",
    "RateLimited",
    "Rule",
    "SourceCredentials",
    "SourceError",
    "SourceInvalidResponse",
    "SourceNotConfigured",
    "SourceTimeout",
    "SourceUnavailable",
    "Unauthenticated",
    "ValidationFailed",
    "Violation",
]


class Code(StrEnum):
    """The stable names of errors: `extensions.code` in GraphQL, `ErrorInfo.reason` in gRPC."""

    BAD_USER_INPUT = "BAD_USER_INPUT"
    # The names of these three are Apollo's: clients and monitoring know them. Only GraphQL has documents.
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    OPERATION_RESOLUTION_FAILURE = "OPERATION_RESOLUTION_FAILURE"
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
    """Whether a failed change was executed, where the code does not imply it.

    `UNKNOWN`: the source may have executed it.
    """

    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Origin:
    """What the source reported about a failure and callers may see: never a URL, a header or a body."""

    source: str | None = None
    code: str | None = None
    message: str | None = None
    request_id: str | None = None
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that failed, as operators see it in the log and in `gateway check`: no caller ever gets any of it.

    `url` has no query, and the names of ids in place of ids. `cause` is what happened, `advice` what to check or
    change; it may be empty. Neither contains what was sent, nor what a source sent but its error codes.
    """

    method: str
    url: str
    cause: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.url}: {self.cause}{f'; {self.advice}' if self.advice else ''}"


class GatewayError(Exception):
    """The base of all exceptions that callers can get.

    `message` is shown to callers, except that of `Internal`. `retry_after` is in seconds. `retryable`: the same
    operation may succeed later; by default that is `transient`, which each class sets. `outcome` is set on a change
    that may have been executed although it failed. `failed_call` is for operators alone.
    """

    code: ClassVar[Code] = Code.INTERNAL
    transient: ClassVar[bool] = False
    message: str
    origin: Origin
    violations: tuple[Violation, ...]
    retryable: bool
    retry_after: float | None
    outcome: Outcome | None
    failed_call: FailedCall | None

    def __init__(
        self,
        message: str,
        *,
        origin: Origin | None = None,
        violations: Sequence[Violation] = (),
        retryable: bool | None = None,
        retry_after: float | None = None,
        outcome: Outcome | None = None,
        failed_call: FailedCall | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.origin = origin or Origin()
        self.violations = tuple(violations)
        self.retryable = self.transient if retryable is None else retryable
        self.retry_after = retry_after
        self.outcome = outcome
        self.failed_call = failed_call

    @property
    def operator_message(self) -> str:
        """The message for the log, with the call that failed; it is not for callers."""
        return self.message if self.failed_call is None else f"{self.message} ({self.failed_call})"

    def __copy__(self) -> Self:
        """Return a copy without traceback, whatever the arguments of the class are."""
        copied = type(self).__new__(type(self), *self.args)
        copied.__dict__.update(self.__dict__)
        return copied


class BadUserInput(GatewayError):
    """The input breaks rules of the gateway or of a source; `violations` lists all of them."""

    code = Code.BAD_USER_INPUT

    @classmethod
    def at(cls, path: tuple[str | int, ...], message: str, rule: Rule = Rule.INVALID, **bounds: Bound) -> Self:
        """Create an error with one violation; `message` continues after the field, e.g. `must not be empty`."""
        return cls.of([Violation(path, message, rule, bounds)])

    @classmethod
    def of(cls, violations: Sequence[Violation]) -> Self:
        """Create an error whose message names the field of each violation."""
        return cls(sentence_of(violations, _field), violations=violations)

    def message_with_paths(self, field_path: Callable[[Violation], str]) -> str:
        """Return the message with the fields as `field_path` formats them, if it was made from the violations."""
        from_violations = self.violations and self.message == sentence_of(self.violations, _field)
        return sentence_of(self.violations, field_path) if from_violations else self.message


class ParseFailed(GatewayError):
    """The GraphQL document has a syntax error."""

    code = Code.GRAPHQL_PARSE_FAILED


class ValidationFailed(GatewayError):
    """The GraphQL document is not valid for the schema."""

    code = Code.GRAPHQL_VALIDATION_FAILED


class OperationNotFound(GatewayError):
    """The GraphQL document has no operation of the requested name, or several and none was named."""

    code = Code.OPERATION_RESOLUTION_FAILURE


class Unauthenticated(GatewayError):
    """The request has no credential, or one that is not valid."""

    code = Code.UNAUTHENTICATED


class Forbidden(GatewayError):
    """The caller is authenticated and lacks the scope for this operation."""

    code = Code.FORBIDDEN


class NotFound(GatewayError):
    """The target of a change does not exist."""

    code = Code.NOT_FOUND


class Conflict(GatewayError):
    """The change conflicts with an existing record: e-mail or username in use, or already linked."""

    code = Code.CONFLICT


class IdempotencyConflict(GatewayError):
    """The idempotency key was used before with another payload."""

    code = Code.IDEMPOTENCY_CONFLICT


class IdempotencyInProgress(GatewayError):
    """The first request with this idempotency key is still running."""

    code = Code.IDEMPOTENCY_IN_PROGRESS
    transient = True


class RateLimited(GatewayError):
    """The rate limit of the source or of the gateway is exceeded; `retry_after` is the time to wait."""

    code = Code.RATE_LIMITED
    transient = True


class Internal(GatewayError):
    """A defect of the gateway. Its message goes to the log and never to the caller."""

    code = Code.INTERNAL
    masked: ClassVar[str] = "Internal error. The log of the gateway has the details under the request id."
    """The message for clients, in place of an unexpected exception."""

    @classmethod
    def masking(cls, defect: BaseException) -> "Internal":
        """Return what clients get instead of a defect: of a change, also that it may have been executed."""
        return cls(cls.masked, outcome=defect.outcome if isinstance(defect, GatewayError) else None)


class FieldNotLoaded(GatewayError):
    """A program that embeds the gateway read a field of a record that was not loaded; the message names what loads it.

    `record` is the type of the record and `field` the name of the field. It is no AttributeError, so `getattr` with a
    default and `hasattr` raise it too.
    """

    code = Code.INTERNAL

    def __init__(self, message: str, *, record: str = "", field: str = "") -> None:
        super().__init__(message)
        self.record = record
        self.field = field


class SourceError(GatewayError):
    """A source failed or could not be called."""


class SourceNotConfigured(SourceError):
    """The source has no base URL or no token in the settings."""

    code = Code.SOURCE_NOT_CONFIGURED


class SourceCredentials(SourceError):
    """The source refused the credential of the gateway, or its scope.

    It is not `Unauthenticated`: the caller's credential for the gateway was accepted.
    """

    code = Code.SOURCE_CREDENTIALS


class SourceTimeout(SourceError):
    """The source did not respond in time."""

    code = Code.SOURCE_TIMEOUT
    transient = True


class SourceUnavailable(SourceError):
    """Something that the operation needs is unavailable: a source, the state in Redis, key sets, a slot."""

    code = Code.SOURCE_UNAVAILABLE
    transient = True


class SourceInvalidResponse(SourceError):
    """The response of the source is not as documented."""

    code = Code.SOURCE_INVALID_RESPONSE


_field = attrgetter("field")
