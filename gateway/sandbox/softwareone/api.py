"""The marketplace API from routing to answer."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.sandbox.credentials import SOFTWAREONE_TOKEN
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.routes import Match, Routes
from gateway.sandbox.softwareone import tables
from gateway.sandbox.softwareone.changes import update_user
from gateway.sandbox.softwareone.problems import ProblemError, problem_answer
from gateway.sandbox.softwareone.users import MarketplaceUsers
from gateway.sandbox.store import Store

__all__ = ["SoftwareOneApi"]

_USERS = "/public/v1/accounts/users"
_ICONS = "/static/icons"
Endpoint = Callable[[SandboxRequest, str], SandboxResponse]


class SoftwareOneApi:
    """The users of the marketplace, as an Operations token sees them; no rate limit is documented."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._users = MarketplaceUsers(store)
        self._routes = self._table()
        store.create(tables.SCHEMA)

    def seed(self, count: int) -> None:
        """Move `count` people in."""
        tables.seed(self._store, count)

    async def answer(self, call: SandboxRequest) -> SandboxResponse:
        """Answer a call."""
        try:
            match = self._match(call)
            # A picture's address is fetched by browsers, which hold no token.
            if not call.path.startswith(_ICONS):
                _check_token(call)
            await asyncio.sleep(call.delay)
            return match.handler(call, match.values.get("id", ""))
        except ProblemError as error:
            return problem_answer(error, call.path)

    def failure(self, call: SandboxRequest, status: int, retry_after: float | None) -> SandboxResponse:
        """Write ProblemDetails without doing anything."""
        answer = problem_answer(ProblemError(status, "The request could not be processed."), call.path)
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def record(self, user_id: str) -> dict[str, Any] | None:
        """The user as stored, with the memberships."""
        row = self._store.row("SELECT * FROM marketplace_users WHERE id = ?", user_id)
        icon = self._store.row("SELECT content_type, length(content) AS size FROM icons WHERE user_id = ?", user_id)
        return None if row is None else row | {"accounts": self._users.accounts(user_id), "uploaded_icon": icon}

    def _match(self, call: SandboxRequest) -> Match[Endpoint]:
        found = self._routes.find(call.method, call.path)
        if isinstance(found, Match):
            return found
        if found:
            raise ProblemError(405, f"The method {call.method} is not allowed.")
        raise ProblemError(404, "The resource was not found.")

    def _table(self) -> Routes[Endpoint]:
        users, one = self._users, f"{_USERS}/{{id}}"
        routes: Routes[Endpoint] = Routes()
        routes.add("GET", _USERS, lambda call, _: users.list(call))
        routes.add("GET", one, users.get)
        routes.add("PUT", one, lambda call, key: update_user(self._store, users, call, key))
        routes.add("DELETE", one, lambda _, key: users.delete(key))
        routes.add("POST", f"{one}/block", lambda _, key: users.block(key))
        routes.add("POST", f"{one}/unblock", lambda _, key: users.unblock(key))
        routes.add("GET", f"{one}/accounts", lambda _, key: users.list_accounts(key))
        routes.add("GET", f"{one}/icon", self._icon)
        routes.add("GET", f"{_ICONS}/{{id}}", self._picture)
        return routes

    def _icon(self, _: SandboxRequest, key: str) -> SandboxResponse:
        revision = self._users.row(key)["revision"]
        return SandboxResponse(307, b"", {"Location": f"{self._prefix}{_ICONS}/{key}?v={revision}"})

    def _picture(self, _: SandboxRequest, key: str) -> SandboxResponse:
        icon = self._store.row("SELECT content_type, content FROM icons WHERE user_id = ?", key)
        if icon is not None:
            return SandboxResponse(200, icon["content"], {"Content-Type": icon["content_type"]})
        self._users.row(key)
        hue = sum(key.encode()) * 37 % 360
        square = f'<rect width="8" height="8" fill="hsl({hue} 60% 50%)"/>'
        picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{square}</svg>'
        return SandboxResponse(200, picture.encode(), {"Content-Type": "image/svg+xml"})


def _check_token(call: SandboxRequest) -> None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or token.strip() != SOFTWAREONE_TOKEN:
        raise ProblemError(401, "The access token is missing or invalid.")
