"""CORS: the origins whose pages may call the gateway from a browser. By default there are none."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from gateway.api.web.http import WebRequest, WebResponse

__all__ = ["Cors"]

_EXPOSED = "X-Request-ID, Server-Timing, RateLimit, RateLimit-Policy, Retry-After"


class Cors:
    """The allowed origins, for example `https://app.example`; `*` allows all. Credentials are never allowed.

    `max_age` is for how many seconds a browser may cache the response to a preflight.
    """

    def __init__(self, origins: Collection[str], *, max_age: int = 600) -> None:
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._max_age = max_age

    def applies_to(self, request: WebRequest) -> bool:
        """Whether a page in a browser sent the request, as far as its header fields show."""
        return "origin" in request.headers

    def allows(self, origin: str) -> bool:
        """Whether an origin is allowed."""
        return "*" in self._origins or origin.lower() in self._origins

    def is_preflight(self, request: WebRequest) -> bool:
        """Whether a request, to which CORS applies, is a preflight."""
        return request.method == "OPTIONS" and "access-control-request-method" in request.headers

    def preflight_response(self, request: WebRequest, methods: Sequence[str]) -> WebResponse:
        """Return what is allowed. An allowed origin may send all the header fields that it requests."""
        headers = [("Vary", "Origin, Access-Control-Request-Headers")]
        if self.allows(request.headers["origin"]):
            headers += [
                ("Access-Control-Allow-Origin", self._allowed_origin(request)),
                ("Access-Control-Allow-Methods", ", ".join(methods)),
                ("Access-Control-Max-Age", str(self._max_age)),
            ]
            if requested := request.headers.get("access-control-request-headers"):
                headers.append(("Access-Control-Allow-Headers", requested))
        return WebResponse(204, b"", headers)

    def with_headers(self, request: WebRequest, response: WebResponse) -> WebResponse:
        """Return the response with the header fields that let a page of an allowed origin read it."""
        headers = [field for field in response.headers if field[0].lower() != "vary"]
        vary = ", ".join([value for name, value in response.headers if name.lower() == "vary"] + ["Origin"])
        headers.append(("Vary", vary))
        if self.allows(request.headers["origin"]):
            headers.append(("Access-Control-Allow-Origin", self._allowed_origin(request)))
            headers.append(("Access-Control-Expose-Headers", _EXPOSED))
        return replace(response, headers=headers)

    def _allowed_origin(self, request: WebRequest) -> str:
        return "*" if "*" in self._origins else request.headers["origin"]
