"""What the header fields of an HTTP request state about its operation."""

import math
from collections.abc import Mapping

from gateway.api.graphql.execution.incoming import RequestOptions
from gateway.api.web.http import WebRequest
from gateway.freshness import Freshness

__all__ = ["request_options"]


def request_options(request: WebRequest) -> RequestOptions:
    """Return what a request states about its operation."""
    headers = request.headers
    key = headers.get("idempotency-key", "").strip().strip('"')  # the IETF draft quotes it, most clients do not
    freshness = Freshness.parse(headers.get("cache-control"))
    return RequestOptions(key or None, _max_seconds(headers), request.base_url, freshness)


def _max_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in `X-Request-Timeout`; None without the header and for a value that is no positive number."""
    value = headers.get("x-request-timeout")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 < seconds < math.inf else None
