"""The route `/images/{token}`, which serves the picture that a URL of `PictureLinks` permits to load."""

from collections.abc import Collection, Mapping

from gateway.api.pictures.fetching import Picture, PictureFetcher
from gateway.api.pictures.links import PATH, PictureLinks
from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.callers.revocation import Identify
from gateway.errors import (
    Forbidden,
    GatewayError,
    Internal,
    NotFound,
    RateLimited,
    SourceTimeout,
    SourceUnavailable,
    Unauthenticated,
)
from gateway.operation import operation
from gateway.principal import ANYONE, Action, Principal
from gateway.users.model import UserSource

__all__ = ["pictures_route"]

_MAX_AGE = 300  # seconds that a browser shows a picture before it asks whether the picture has changed
# A picture can be opened in a tab: an SVG must then neither run a script nor load anything.
_SAFE = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ("Vary", "Origin"),
)
_STATUSES: Mapping[type[GatewayError], int] = {
    NotFound: 404,
    Forbidden: 403,
    Unauthenticated: 401,
    SourceTimeout: 504,
    SourceUnavailable: 503,
    RateLimited: 503,  # not 429: it is the source that has had too many calls, not the gateway from this client
}
_BAD_GATEWAY = 502
_SVG = "image/svg+xml"
# Messages of a source, and the names of its records, are not for whoever opens a URL.
_PUBLIC = (NotFound, Forbidden, Unauthenticated)
_CALLER = Principal("pictures")


def pictures_route(
    links: PictureLinks,
    fetcher: PictureFetcher,
    authenticate: Identify,
    *,
    forwarding: Collection[UserSource],
    providing: Collection[UserSource],
    cross_origin: bool,
    timeout: float,
) -> Route:
    """Return the route.

    `forwarding` are the sources that are called with forwarded credentials: a request for a picture of theirs has to
    contain the credentials too, which an `<img>` cannot send. `providing` are those for which the embedding program
    provides the credentials: for the caller if the request has a credential, such as a cookie, else for no caller,
    since the URL itself is the permission. `cross_origin`: pages of other sites may show pictures. `timeout` is in
    seconds.
    """
    resource_policy = ("Cross-Origin-Resource-Policy", "cross-origin" if cross_origin else "same-site")

    async def respond(request: WebRequest) -> WebResponse:
        try:
            link = links.read(request.path.removeprefix(PATH))
            caller, caching = _CALLER, f"private, max-age={_MAX_AGE}"
            if link.source in forwarding:
                caller, caching = await authenticate(request.connection()), "no-store"
                caller.require(Action.READ, link.source)
            elif link.source in providing:
                caller = await _caller_if_any(authenticate, request)
            report = request.report
            running = operation(timeout=timeout, trace=report.trace, calls=report.calls, request_id=report.request_id)
            with running:
                picture = await fetcher.fetch(link, caller)
            if picture is None:
                raise NotFound("The user has no picture any more.")
        except Internal:
            raise
        except GatewayError as error:
            return _refusal(error)
        headers = [*_SAFE, resource_policy, ("Cache-Control", caching), ("ETag", picture.etag)]
        if _has(picture, request.headers.get("if-none-match", "")):
            return WebResponse(304, b"", headers)
        headers.append(("Content-Type", picture.content_type))
        if picture.content_type == _SVG:
            headers.append(("Content-Disposition", "attachment; filename=picture.svg"))
        return WebResponse(200, picture.content, headers)

    return Route(("GET",), f"{PATH}{{token}}", respond)


async def _caller_if_any(authenticate: Identify, request: WebRequest) -> Principal:
    try:
        return await authenticate(request.connection())
    except Unauthenticated:
        return ANYONE


def _has(picture: Picture, if_none_match: str) -> bool:
    """Return whether the client has the picture already (RFC 9110, 13.1.2)."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in {picture.etag, "*"} for tag in tags)


def _refusal(error: GatewayError) -> WebResponse:
    status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), _BAD_GATEWAY)
    message = error.message if isinstance(error, _PUBLIC) else "The picture cannot be loaded from its source now."
    headers = [
        *_SAFE,
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Cache-Control", "no-store"),
    ]
    if error.retry_after is not None:
        headers.append(("Retry-After", str(max(1, round(error.retry_after)))))
    return WebResponse(status, message.encode(), headers)
