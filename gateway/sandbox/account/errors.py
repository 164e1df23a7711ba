"""The error envelope of the account API (docs/upstreams/account.md, "Errors")."""

from typing import Any

from gateway.sandbox.exchange import SandboxResponse

__all__ = ["CODE_BY_STATUS", "ApiError", "api_error_response"]

CODE_BY_STATUS = {
    400: "validation_failed",
    401: "invalid_credentials",
    402: "payment_required",
    403: "insufficient_permissions",
    404: "resource_not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "resource_conflict",
    410: "resource_gone",
    429: "rate_limit_exceeded",
    499: "client_closed_request",
    500: "internal_error",
    502: "external_service_error",
    503: "service_unavailable",
    504: "timeout",
}
"""The default code of each status."""

_TRANSIENT = {408, 429, 500, 502, 503, 504}
_API_ERRORS = {408, 500, 502, 503, 504}


class ApiError(Exception):
    """An error with its status, code, message and parameter."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param

    @property
    def is_idempotency_error(self) -> bool:
        """Whether the idempotency layer raised the error."""
        return False


def api_error_response(error: ApiError, request_id: str, *, host: str = "openmrp.ai") -> SandboxResponse:
    """Return the envelope of an error, with the headers of its status."""
    kind = "api_error" if error.status in _API_ERRORS else "invalid_request_error"
    anchor = "resource_conflict" if error.code == "resource_exists" else error.code
    document: dict[str, Any] = {
        "code": error.code,
        "type": "idempotency_error" if error.is_idempotency_error else kind,
        "message": error.message,
        "param": error.param,
        "doc_url": f"https://docs.{host}/api/errors#{anchor}",
        "is_transient": error.status in _TRANSIENT or error.code == "idempotency_in_progress",
        "quota": None,
        "request_log_url": f"https://{host}/dashboard/request-logs/{request_id}",
    }
    response = SandboxResponse.json({"error": document}, error.status)
    if error.status == 401:  # noqa: PLR2004 (an HTTP status)
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
