"""Parses the error bodies of the account source (docs/upstreams/account.md, "Errors")."""

from gateway.errors import (
    GatewayError,
    IdempotencyConflict,
    IdempotencyInProgress,
    Origin,
    SourceInvalidResponse,
    Violation,
)
from gateway.sources.http.errors import SourceErrorBody, caller_retry_after, redact, source_error
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import JsonDecoder, Wire

__all__ = ["account_error"]


class _Error(Wire, frozen=True):
    code: str | None = None
    type: str | None = None
    message: str | None = None
    param: str | None = None


class _Body(Wire, frozen=True):
    error: _Error


_BODY = JsonDecoder(_Body)
_GATEWAY_PARAMS = frozenset({"limit", "include", "include[]"})  # chosen by the gateway, never by a caller


def account_error(request: Request, response: Response) -> GatewayError:
    """Return the exception for a status outside 2xx."""
    request_id = response.headers.get("Request-ID")
    try:
        error = _BODY.decode(response.body).error
    except ValueError:
        return source_error(request, response, SourceErrorBody(request_id=request_id))
    violations = _violations(error, request)
    body = redact(SourceErrorBody(True, error.code, error.message, request_id, violations), request)
    origin = Origin(request.source, body.code, body.message, body.request_id, response.status)
    if error.code == "idempotency_in_progress":
        return IdempotencyInProgress(
            "The first call under this idempotency key still runs.",
            origin=origin,
            retry_after=caller_retry_after(response),
        )
    if error.type == "idempotency_error" or error.code == "idempotency_key_reused":
        return IdempotencyConflict("This idempotency key was used with another payload.", origin=origin)
    if (error.code or "").startswith("api_version_"):
        # The operator can correct it, not the caller: GATEWAY_ACCOUNT__API_VERSION names an unsupported version.
        return SourceInvalidResponse("The account source does not support the configured API version.", origin=origin)
    if not request.writes and (error.code == "parameter_unknown" or error.param in _GATEWAY_PARAMS):
        # Not an error of the caller either: the gateway chooses the parameters of a read.
        return SourceInvalidResponse("The account source rejected the parameters of this gateway.", origin=origin)
    return source_error(request, response, body)


def _violations(error: _Error, request: Request) -> tuple[Violation, ...]:
    # For a read, `param` names a parameter that the gateway chose, such as `q`, and no field of the caller's input.
    if not error.param or not request.writes or error.param in _GATEWAY_PARAMS:
        return ()
    return (Violation(("change", error.param), error.message or "is rejected by the account source"),)
