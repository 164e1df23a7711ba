"""The check against cross-site request forgery.

A browser sends a preflight before a request of another site that has a content type or a header outside a short list.
Apollo Client, Apollo's mobile clients and Relay's fetch send such requests; all others are refused.
"""

from gateway.api.graphql.execution.request import refusal
from gateway.api.web.http import WebRequest

__all__ = ["PREFLIGHT_HEADERS", "require_preflight"]

PREFLIGHT_HEADERS = ("GraphQL-Require-Preflight", "Apollo-Require-Preflight", "X-Apollo-Operation-Name")

_SIMPLE = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


def require_preflight(request: WebRequest) -> None:
    """Refuse a request that a browser sends to another site without a preflight.

    Raises:
        RefusedError: 400, with the header to add; 415 for a POST with a content type that is not supported anyway.
    """
    content_type = request.content_type
    if content_type not in _SIMPLE or any(request.headers.get(name) for name in PREFLIGHT_HEADERS):
        return
    if request.method != "GET" and content_type != "multipart/form-data":
        raise refusal(415, "Send the request as application/json, or with files as multipart/form-data.")
    subject = "A GET" if request.method == "GET" else "A form"
    raise refusal(
        400,
        f"{subject} needs a header that another site can send only after a preflight. Add "
        f"`{PREFLIGHT_HEADERS[0]}: 1` (or `{PREFLIGHT_HEADERS[1]}`, or `{PREFLIGHT_HEADERS[2]}`).",
    )
