"""The check against cross-site request forgery.

A browser sends a preflight before a request of another site that has a content type or a header outside a short list.
Apollo Client, Apollo's mobile clients and Relay's fetch send such requests. Of the others, only those are executed that
carry something else that a page of another site cannot send; see docs/decisions/preflight-rule.md.
"""

from collections.abc import Mapping
from typing import Final

from gateway.api.graphql.execution.request import RefusedError, refusal
from gateway.api.web.cors import Cors, is_same_origin
from gateway.api.web.http import WebRequest

__all__ = ["PREFLIGHT_HEADERS", "csrf_refusal"]

PREFLIGHT_HEADERS: Final = ("GraphQL-Require-Preflight", "Apollo-Require-Preflight", "X-Apollo-Operation-Name")

_SIMPLE = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
_JSON = frozenset({"application/json", "application/graphql+json"})
_SAME_ORIGIN = frozenset({"same-origin", "none"})  # `none`: a person typed the URL, or opened a bookmark


_REBOUND: Final = (
    "A gateway without authentication on a loopback address is reached as localhost or by its address. If this is a "
    "host name of the gateway, set GATEWAY_PUBLIC_URL to the URL with it."
)


def csrf_refusal(request: WebRequest, cors: Cors) -> RefusedError | None:
    """Return the refusal of a request that a browser may have sent for a page of another site without a preflight.

    It is a 400 with the header to add, a 415 for a POST with a content type that is not supported anyway, or a 421 for
    a host name that may be that of the other site. The result is None where the request may be executed.
    """
    if cors.is_rebound(request):
        return refusal(421, _REBOUND)
    content_type, is_get = request.content_type, request.method == "GET"
    # For a GET any other type proves nothing: a browser once sent some without a preflight (GHSA-9q82-xgwf-vj6h).
    if content_type in _JSON or (not is_get and content_type not in _SIMPLE):
        return None
    if any(request.headers.get(name) for name in PREFLIGHT_HEADERS):
        return None
    if not is_get and content_type != "multipart/form-data":
        return refusal(415, "Send the request as application/json, or with files as multipart/form-data.")
    if _is_trusted(request, cors):
        return None
    subject = "A GET" if is_get else "A form"
    return refusal(
        400,
        f"{subject} needs a header that another site can send only after a preflight. Add "
        f"`{PREFLIGHT_HEADERS[0]}: 1` (or `{PREFLIGHT_HEADERS[1]}`, or `{PREFLIGHT_HEADERS[2]}`), or authenticate by "
        "`Authorization: Bearer` or `X-API-Key`.",
    )


def _is_trusted(request: WebRequest, cors: Cors) -> bool:
    """Whether header fields that pages cannot set show a page that may send requests, or that there is no page.

    A credential alone is not enough where the browser names another site: a proxy in front may have added it, in
    exchange for a cookie.
    """
    headers = request.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site in _SAME_ORIGIN:
        return True
    if origin is None:
        return site is None and _has_credential(headers)
    if cors.lists(origin) or is_same_origin(request, origin):
        return True
    return cors.allows(origin) and _has_credential(headers)


def _has_credential(headers: Mapping[str, str]) -> bool:
    """Whether a request has a credential that browsers do not add by themselves, as they do with Basic."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    return bool(scheme.lower() == "bearer" and token) or bool(headers.get("x-api-key"))
