"""The identity API's error bodies (account.md, 7)."""

from gateway.errors import (
    GatewayError,
    IdempotencyConflict,
    IdempotencyInProgress,
    Origin,
    SourceInvalidResponse,
    Violation,
)
from gateway.sources.http.errors import SourceErrorBody, refusal, tellable, told_wait
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import Shape, Wire

__all__ = ["account_refusal"]


class _Error(Wire, frozen=True):
    code: str | None = None
    type: str | None = None
    message: str | None = None
    param: str | None = None


class _Body(Wire, frozen=True):
    error: _Error


_BODY = Shape(_Body)
_OURS = frozenset({"limit", "include", "include[]"})  # parameters of a list that no caller has a say in


def account_refusal(request: Request, response: Response) -> GatewayError:
    """The error that a status outside 2xx means."""
    request_id = response.headers.get("Request-ID")
    try:
        error = _BODY.read(response.body).error
    except ValueError:
        return refusal(request, response, SourceErrorBody(request_id=request_id))
    told = tellable(SourceErrorBody(True, error.code, error.message, request_id, _violations(error, request)), request)
    origin = Origin(request.source, told.code, told.message, told.request_id, response.status)
    wait = told_wait(response)
    if error.code == "idempotency_in_progress":
        return IdempotencyInProgress(
            "The first call under this idempotency key still runs.", origin=origin, retry_after=wait
        )
    if error.type == "idempotency_error" or error.code == "idempotency_key_reused":
        return IdempotencyConflict("This idempotency key was used with another payload.", origin=origin)
    if (error.code or "").startswith("api_version_"):
        # Not the caller's doing: GATEWAY_ACCOUNT__API_VERSION is not one that the server speaks.
        return SourceInvalidResponse("The account system does not speak the configured API version.", origin=origin)
    if not request.writes and (error.code == "parameter_unknown" or error.param in _OURS):
        # Nor this: a caller's question is made of words that this gateway chose.
        return SourceInvalidResponse(
            "The account system does not take the question that this gateway asks.", origin=origin
        )
    return refusal(request, response, told)


def _violations(error: _Error, request: Request) -> tuple[Violation, ...]:
    # Of a question it names a parameter of ours, `q` or `limit`, and no field that a client could have spelled.
    if not error.param or not request.writes or error.param in _OURS:
        return ()
    return (Violation(("change", error.param), error.message or "is refused by the account system"),)
