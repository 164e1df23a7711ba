"""Errors as problem details documents (docs/upstreams/softwareone.md, "Errors")."""

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from gateway.sandbox.exchange import SandboxResponse

__all__ = ["ProblemError", "problem_response"]

_SECTIONS = {
    400: "15.5.1",
    401: "15.5.2",
    403: "15.5.4",
    404: "15.5.5",
    405: "15.5.6",
    415: "15.5.16",
    500: "15.6.1",
}
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class ProblemError(Exception):
    """An error with its status and detail; `errors` lists messages by field."""

    def __init__(self, status: int, detail: str, errors: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors


def problem_response(error: ProblemError, path: str) -> SandboxResponse:
    """Return the problem details document of an error, sent as plain application/json."""
    document: dict[str, Any] = {
        "type": f"https://tools.ietf.org/html/rfc9110#section-{_SECTIONS.get(error.status, '15.5.1')}",
        "title": _PHRASES.get(error.status, "Error"),
        "status": error.status,
        "detail": error.detail,
        "instance": path,
        "traceId": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00",
    }
    if error.errors:
        document["errors"] = error.errors
    return SandboxResponse.json(document, error.status)
