"""The reseller API's errors: a message and a code (reseller.md, section 3; the codes are ours)."""

from gateway.sandbox.exchange import SandboxResponse

__all__ = ["CODES", "RefusalError", "refusal_answer"]

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
"""The code of a status when nothing more is known."""


class RefusalError(Exception):
    """A refusal with its status, message and code."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES.get(status, "ERROR")


def refusal_answer(error: RefusalError) -> SandboxResponse:
    """The error as it is sent."""
    return SandboxResponse.json({"message": error.message, "code": error.code}, error.status)
