"""The marketplace API: routing, token check and icons."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.sandbox.credentials import AcceptedTokens
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.identicons import identicon_png, identicon_svg
from gateway.sandbox.routes import Match, Routes
from gateway.sandbox.softwareone import tables
from gateway.sandbox.softwareone.changes import update_user
from gateway.sandbox.softwareone.problems import ProblemError, problem_response
from gateway.sandbox.softwareone.users import MarketplaceUsers
from gateway.sandbox.store import Store

__all__ = ["SoftwareOneApi"]

_USERS = "/public/v1/accounts/users"
_ICONS = "/static/icons"
Endpoint = Callable[[SandboxRequest, str], SandboxResponse]


class SoftwareOneApi:
    """Serves the users of the marketplace as to a token of an Operations account; no rate limit is documented."""

    def __init__(self, store: Store, tokens: AcceptedTokens, prefix: str) -> None:
        self._store = store
        self._tokens = tokens
        self._prefix = prefix
        self._users = MarketplaceUsers(store)
        self._routes = self._build_routes()
        store.create(tables.SCHEMA)

    def seed(self, count: int) -> None:
        """Seed the tables with `count` users."""
        tables.seed(self._store, count)

    async def respond(self, request: SandboxRequest) -> SandboxResponse:
        """Return the response to a request."""
        try:
            match = self._match(request)
            # The pictures are loaded by browsers, which have no token.
            if not request.path.startswith(_ICONS):
                _check_token(request, self._tokens)
            await asyncio.sleep(request.delay)
            return match.handler(request, match.values.get("id", ""))
        except ProblemError as error:
            return problem_response(error, request.path)

    def error_response(self, request: SandboxRequest, status: int, retry_after: float | None) -> SandboxResponse:
        """Return a problem details document without executing the request."""
        response = problem_response(ProblemError(status, "The request could not be processed."), request.path)
        if retry_after is not None:
            response.headers["Retry-After"] = f"{retry_after:g}"
        return response

    def stored_user(self, user_id: str) -> dict[str, Any] | None:
        """Return the user as stored, with memberships and icon; None for an unknown id."""
        row = self._store.row("SELECT * FROM marketplace_users WHERE id = ?", user_id)
        icon = self._store.row("SELECT content_type, length(content) AS size FROM icons WHERE user_id = ?", user_id)
        return None if row is None else row | {"accounts": self._users.accounts(user_id), "uploaded_icon": icon}

    def _match(self, request: SandboxRequest) -> Match[Endpoint]:
        found = self._routes.find(request.method, request.path)
        if isinstance(found, Match):
            return found
        if found:
            raise ProblemError(405, f"The method {request.method} is not allowed.")
        raise ProblemError(404, "The resource was not found.")

    def _build_routes(self) -> Routes[Endpoint]:
        users, user_path = self._users, f"{_USERS}/{{id}}"
        routes: Routes[Endpoint] = Routes()
        routes.add("GET", _USERS, lambda request, _: users.list(request))
        routes.add("GET", user_path, users.get)
        routes.add("PUT", user_path, lambda request, user_id: update_user(self._store, users, request, user_id))
        routes.add("DELETE", user_path, lambda _, user_id: users.delete(user_id))
        routes.add("POST", f"{user_path}/block", lambda _, user_id: users.block(user_id))
        routes.add("POST", f"{user_path}/unblock", lambda _, user_id: users.unblock(user_id))
        routes.add("POST", f"{user_path}/set-password", users.set_password)
        for method in ("GET", "POST"):  # the specification has one of them, the vendor's client the other
            for action in ("sso-check", "sso"):
                routes.add(method, f"{user_path}/{action}", lambda _, user_id: users.check_sso(user_id))
        routes.add("GET", f"{user_path}/accounts", lambda _, user_id: users.list_accounts(user_id))
        routes.add("GET", f"{user_path}/icon", self._icon)
        routes.add("GET", f"{_ICONS}/{{id}}", self._picture)
        for records in ("accounts", "api-tokens"):
            routes.add("GET", f"/public/v1/accounts/{records}/{{id}}/icon", self._identicon)
        return routes

    def _icon(self, _: SandboxRequest, user_id: str) -> SandboxResponse:
        revision = self._users.row(user_id)["revision"]
        return SandboxResponse(307, b"", {"Location": f"{self._prefix}{_ICONS}/{user_id}?v={revision}"})

    def _picture(self, _: SandboxRequest, user_id: str) -> SandboxResponse:
        icon = self._store.row("SELECT content_type, content FROM icons WHERE user_id = ?", user_id)
        if icon is not None:
            return SandboxResponse(200, icon["content"], {"Content-Type": icon["content_type"]})
        self._users.row(user_id)
        return SandboxResponse(200, identicon_svg(user_id), {"Content-Type": "image/svg+xml"})

    def _identicon(self, _: SandboxRequest, record_id: str) -> SandboxResponse:
        """Return the icon of an account or of an API token, which nobody can upload here."""
        return SandboxResponse(200, identicon_png(record_id), {"Content-Type": "image/png"})


def _check_token(request: SandboxRequest, tokens: AcceptedTokens) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not tokens.includes("softwareone", token.strip()):
        raise ProblemError(401, "The access token is missing or invalid.")
