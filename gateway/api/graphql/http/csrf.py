"""Cross-site request forgery: nothing is executed that a browser would send for a stranger without asking first.

A browser asks ("preflight") before it sends another site's request with a content type of its own or a header
that is not on its short list. Apollo Client, Apollo's mobile clients and Relay's fetch do send such a thing.
"""

from gateway.api.graphql.execution.request import refusal
from gateway.api.web.http import WebRequest

__all__ = ["NAMES", "require_preflight"]

NAMES = ("GraphQL-Require-Preflight", "Apollo-Require-Preflight", "X-Apollo-Operation-Name")

_SIMPLE = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


def require_preflight(request: WebRequest) -> None:
    """Refuse what a browser sends to any site without asking it.

    Raises:
        RefusedError: 400, with the header to add; 415 for a POST whose content type could not be read anyway.
    """
    kind = request.content_type
    if kind not in _SIMPLE or any(request.headers.get(name) for name in NAMES):
        return
    if request.method != "GET" and kind != "multipart/form-data":
        raise refusal(415, "Send the request as application/json, or with files as multipart/form-data.")
    what = "A GET" if request.method == "GET" else "A form"
    raise refusal(
        400,
        f"{what} is executed only with a header that another site's page cannot send unasked: add "
        f"`{NAMES[0]}: 1` (or `{NAMES[1]}`, or `{NAMES[2]}`).",
    )
