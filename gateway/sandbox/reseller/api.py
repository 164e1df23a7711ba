"""The reseller API from routing to answer."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.sandbox.clock import SECOND, now, ticks_time
from gateway.sandbox.credentials import RESELLER_ID, RESELLER_TOKEN
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.limits import UNLIMITED, FixedWindow, Verdict
from gateway.sandbox.reseller import tables
from gateway.sandbox.reseller.errors import RefusalError, refusal_answer
from gateway.sandbox.reseller.users import Endpoints
from gateway.sandbox.routes import Match, Routes
from gateway.sandbox.store import Store

__all__ = ["ResellerApi"]

_SECONDS = 5
_USERS = "/v3/resellers/{resellerId}/users"
_OWN_ORGANIZATIONS = "/v3/resellers/{resellerId}/organizations"
_ORGANIZATIONS = "/v3/organizations"
Endpoint = Callable[[SandboxRequest, str], SandboxResponse]


class ResellerApi:
    """The users and organizations of one reseller; 50 requests in 5 seconds per client."""

    def __init__(self, store: Store, *, enforce_limits: bool) -> None:
        self._store = store
        self._window = FixedWindow(50 if enforce_limits else UNLIMITED, _SECONDS)
        self._endpoints = Endpoints(store)
        self._routes = _table(self._endpoints)
        store.create(tables.SCHEMA)

    def seed(self, count: int) -> None:
        """Move `count` people in."""
        tables.seed(self._store, count)

    async def answer(self, call: SandboxRequest) -> SandboxResponse:
        """Answer a call."""
        # Every request counts, "regardless of authentication" (section 3).
        verdict = self._window.take(call.remote)
        try:
            if not verdict.allowed:
                raise RefusalError(429, "API calls quota exceeded! maximum admitted 50 per 5s.")  # noqa: TRY301 - every refusal is written in one place
            match = self._match(call)
            _check(call, match)
            await asyncio.sleep(call.delay)
            answer = match.handler(call, match.values.get("id", ""))
        except RefusalError as error:
            answer = refusal_answer(error)
        _write_limits(answer, verdict)
        return answer

    def failure(self, call: SandboxRequest, status: int, retry_after: float | None) -> SandboxResponse:
        """Write an error without doing anything."""
        answer = refusal_answer(RefusalError(status, f"{call.method} {call.path} could not be processed."))
        _write_limits(answer, Verdict(allowed=True, remaining=self._window.limit, reset=_SECONDS))
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def record(self, user_id: str) -> dict[str, Any] | None:
        """The user as stored, allow_customer_portal_access included."""
        return self._endpoints.record(user_id)

    def _match(self, call: SandboxRequest) -> Match[Endpoint]:
        found = self._routes.find(call.method, call.path)
        if isinstance(found, Match):
            return found
        raise RefusalError(405 if found else 404, "The requested resource does not exist.")


def _check(call: SandboxRequest, match: Match[Endpoint]) -> None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or token.strip() != RESELLER_TOKEN:
        raise RefusalError(401, "The access token is missing or invalid.")
    if match.values.get("resellerId", RESELLER_ID) != RESELLER_ID:
        raise RefusalError(404, "The reseller with the specified id does not exist.", "RESELLER_NOT_FOUND")


def _write_limits(answer: SandboxResponse, verdict: Verdict) -> None:
    answer.headers |= {
        "X-Rate-Limit-Limit": f"{_SECONDS}s",
        "X-Rate-Limit-Remaining": str(verdict.remaining),
        "X-Rate-Limit-Reset": ticks_time(now() + int(verdict.reset * SECOND)) or "",
    }
    if not verdict.allowed:
        answer.headers["Retry-After"] = str(verdict.retry_after)


def _table(endpoints: Endpoints) -> Routes[Endpoint]:
    routes: Routes[Endpoint] = Routes()
    routes.add("GET", _USERS, endpoints.list_users)
    routes.add("POST", _USERS, endpoints.create_user)
    routes.add("GET", f"{_USERS}/{{id}}", endpoints.get_user)
    routes.add("PATCH", f"{_USERS}/{{id}}", endpoints.update_user)
    routes.add("DELETE", f"{_USERS}/{{id}}", endpoints.delete_user)
    for base in (_OWN_ORGANIZATIONS, _ORGANIZATIONS):
        routes.add("GET", base, endpoints.list_organizations)
        routes.add("GET", f"{base}/{{id}}", endpoints.get_organization)
    return routes
