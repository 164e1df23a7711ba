"""Errors of the reseller API: a message and a code (docs/upstreams/reseller.md, "Errors").

The values of the codes are not documented; these were chosen for the sandbox.
"""

from gateway.sandbox.exchange import SandboxResponse

__all__ = ["CODES", "RefusalError", "refusal_response"]

CODES = {
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMIT_EXCEEDED",
    500: "INTERNAL_SERVER_ERROR",
}
"""The default code of each status."""


class RefusalError(Exception):
    """An error with its status, message and code."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES.get(status, "ERROR")


def refusal_response(error: RefusalError) -> SandboxResponse:
    """Return the response for an error."""
    return SandboxResponse.json({"message": error.message, "code": error.code}, error.status)
