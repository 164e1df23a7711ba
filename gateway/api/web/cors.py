"""Which other sites' pages may call the gateway from a browser: none, unless the settings name them."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from gateway.api.web.http import WebRequest, WebResponse

__all__ = ["Cors"]

_EXPOSED = "X-Request-ID, Server-Timing, RateLimit, RateLimit-Policy, Retry-After"


class Cors:
    """The origins that are let in, e.g. `https://app.example`; `*` is every one, which then sends no cookies.

    `max_age` is how many seconds a browser may remember that it asked.
    """

    def __init__(self, origins: Collection[str], *, max_age: int = 600) -> None:
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._max_age = max_age

    def concerns(self, request: WebRequest) -> bool:
        """Whether a page of some site asks."""
        return "origin" in request.headers

    def allows(self, origin: str) -> bool:
        """Whether that origin is let in."""
        return "*" in self._origins or origin.lower() in self._origins

    def asks_first(self, request: WebRequest) -> bool:
        """Whether it is the question that a browser asks before the request itself."""
        return request.method == "OPTIONS" and "access-control-request-method" in request.headers

    def answer(self, request: WebRequest, methods: Sequence[str]) -> WebResponse:
        """What is allowed. Headers are not listed one by one: who is let in may send those that it asks for."""
        allowed = [("Vary", "Origin, Access-Control-Request-Headers")]
        if self.allows(request.headers["origin"]):
            allowed += [
                ("Access-Control-Allow-Origin", self._named(request)),
                ("Access-Control-Allow-Methods", ", ".join(methods)),
                ("Access-Control-Max-Age", str(self._max_age)),
            ]
            if headers := request.headers.get("access-control-request-headers"):
                allowed.append(("Access-Control-Allow-Headers", headers))
        return WebResponse(204, b"", allowed)

    def let_in(self, request: WebRequest, response: WebResponse) -> WebResponse:
        """The response, readable for a page that is let in."""
        headers = [field for field in response.headers if field[0].lower() != "vary"]
        vary = ", ".join([value for name, value in response.headers if name.lower() == "vary"] + ["Origin"])
        headers.append(("Vary", vary))
        if self.allows(request.headers["origin"]):
            headers.append(("Access-Control-Allow-Origin", self._named(request)))
            headers.append(("Access-Control-Expose-Headers", _EXPOSED))
        return replace(response, headers=headers)

    def _named(self, request: WebRequest) -> str:
        return "*" if "*" in self._origins else request.headers["origin"]
