"""The reseller API: routing, access check and rate limit."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.sandbox.clock import SECOND, ticks_time
from gateway.sandbox.credentials import RESELLER_ID, AcceptedTokens
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.limits import UNLIMITED, FixedWindow, RateLimitStatus
from gateway.sandbox.reseller import tables
from gateway.sandbox.reseller.errors import RefusalError, refusal_response
from gateway.sandbox.reseller.users import ResellerEndpoints
from gateway.sandbox.routes import Match, Routes
from gateway.sandbox.store import Store

__all__ = ["ResellerApi"]

_WINDOW_SECONDS = 5
_USERS = "/v3/resellers/{resellerId}/users"
_RESELLER_ORGANIZATIONS = "/v3/resellers/{resellerId}/organizations"
_ORGANIZATIONS = "/v3/organizations"
Endpoint = Callable[[SandboxRequest, str], SandboxResponse]


class ResellerApi:
    """Serves the users and organizations of one reseller; 50 requests in 5 seconds per client."""

    def __init__(self, store: Store, tokens: AcceptedTokens, *, enforce_limits: bool) -> None:
        self._store = store
        self._tokens = tokens
        self._window = FixedWindow(50 if enforce_limits else UNLIMITED, _WINDOW_SECONDS, clock=store.clock.monotonic)
        self._endpoints = ResellerEndpoints(store)
        self._routes = _build_routes(self._endpoints)
        store.create(tables.SCHEMA)

    def seed(self, count: int) -> None:
        """Seed the tables with `count` users."""
        tables.seed(self._store, count)

    async def respond(self, request: SandboxRequest) -> SandboxResponse:
        """Return the response to a request."""
        # Every request counts, whatever its credential (docs/upstreams/reseller.md, "Rate limits").
        rate_limit = self._window.take(request.remote)
        try:
            if not rate_limit.allowed:
                raise RefusalError(429, "API calls quota exceeded! maximum admitted 50 per 5s.")  # noqa: TRY301 - all errors are converted in one place
            match = self._match(request)
            _check_access(request, match, self._tokens)
            await asyncio.sleep(request.delay)
            response = match.handler(request, match.values.get("id", ""))
        except RefusalError as error:
            response = refusal_response(error)
        self._add_rate_limit_headers(response, rate_limit)
        return response

    def error_response(self, request: SandboxRequest, status: int, retry_after: float | None) -> SandboxResponse:
        """Return an error without executing the request."""
        response = refusal_response(RefusalError(status, f"{request.method} {request.path} could not be processed."))
        self._add_rate_limit_headers(
            response, RateLimitStatus(allowed=True, remaining=self._window.limit, reset=_WINDOW_SECONDS)
        )
        if retry_after is not None:
            response.headers["Retry-After"] = f"{retry_after:g}"
        return response

    def stored_user(self, user_id: str) -> dict[str, Any] | None:
        """Return the user as stored, with `allow_customer_portal_access`; None for an unknown id."""
        return self._endpoints.stored_user(user_id)

    def _add_rate_limit_headers(self, response: SandboxResponse, rate_limit: RateLimitStatus) -> None:
        response.headers |= {
            "X-Rate-Limit-Limit": f"{_WINDOW_SECONDS}s",
            "X-Rate-Limit-Remaining": str(rate_limit.remaining),
            "X-Rate-Limit-Reset": ticks_time(self._store.clock.now() + int(rate_limit.reset * SECOND)) or "",
        }
        if not rate_limit.allowed:
            response.headers["Retry-After"] = str(rate_limit.retry_after)

    def _match(self, request: SandboxRequest) -> Match[Endpoint]:
        found = self._routes.find(request.method, request.path)
        if isinstance(found, Match):
            return found
        raise RefusalError(405 if found else 404, "The requested resource does not exist.")


def _check_access(request: SandboxRequest, match: Match[Endpoint], tokens: AcceptedTokens) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not tokens.includes("reseller", token.strip()):
        raise RefusalError(401, "The access token is missing or invalid.")
    if match.values.get("resellerId", RESELLER_ID) != RESELLER_ID:
        raise RefusalError(404, "The reseller with the specified id does not exist.", "RESELLER_NOT_FOUND")


def _build_routes(endpoints: ResellerEndpoints) -> Routes[Endpoint]:
    routes: Routes[Endpoint] = Routes()
    routes.add("GET", _USERS, endpoints.list_users)
    routes.add("POST", _USERS, endpoints.create_user)
    routes.add("GET", f"{_USERS}/{{id}}", endpoints.get_user)
    routes.add("PATCH", f"{_USERS}/{{id}}", endpoints.update_user)
    routes.add("DELETE", f"{_USERS}/{{id}}", endpoints.delete_user)
    for base in (_RESELLER_ORGANIZATIONS, _ORGANIZATIONS):
        routes.add("GET", base, endpoints.list_organizations)
        routes.add("GET", f"{base}/{{id}}", endpoints.get_organization)
    return routes
