"""The account API from routing to answer, in the order of the real middleware (account.md, section 2)."""

import asyncio
import secrets
from typing import Any

import orjson

from gateway.sandbox.account import audit, audit_events, departments, idempotency, roles, tables, user_changes, users
from gateway.sandbox.account.access import check_account, check_key, prefixed
from gateway.sandbox.account.context import AccountContext, Endpoint
from gateway.sandbox.account.errors import CODE_BY_STATUS, ApiError, error_answer
from gateway.sandbox.account.seeds import seed
from gateway.sandbox.account.user_views import account_users
from gateway.sandbox.account.versions import Dialect, version_of
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.limits import UNLIMITED, SlidingWindow, Verdict
from gateway.sandbox.routes import Match, Routes
from gateway.sandbox.store import Store

__all__ = ["AccountApi"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_USERS = "/v1/identity/account-users"
_ROLES = "/v1/identity/roles"
_DEPARTMENTS = "/v1/operations/departments"
_AUDIT_EVENTS = "/v1/core/audit-events"
_LARGEST_BODY = 1024 * 1024


class AccountApi:
    """The identity API over a store; 20 requests a second per client."""

    def __init__(self, store: Store, *, enforce_limits: bool, undecided: Dialect) -> None:
        self._store = store
        self._undecided = undecided
        self._window = SlidingWindow(20 if enforce_limits else UNLIMITED, 1.0)
        self._routes = _routes()
        store.create(tables.SCHEMA + audit.SCHEMA + idempotency.SCHEMA)

    def seed(self, count: int) -> None:
        """Move `count` people in."""
        seed(self._store, count)

    async def answer(self, call: SandboxRequest) -> SandboxResponse:
        """Answer a call; the order of checks is part of the behaviour."""
        request_id = _request_id()
        verdict: Verdict | None = None
        try:
            # Unknown paths and wrong methods are answered before all middleware.
            match = self._match(call)
            verdict = self._window.take(call.remote)
            if not verdict.allowed:
                raise ApiError(429, CODE_BY_STATUS[429], "Too many requests. Please try again later.")  # noqa: TRY301 - every refusal is written in one place
            answer = await self._admitted(call, match, request_id)
        except ApiError as error:
            answer = error_answer(error, request_id)
        return self._finish(call, answer, request_id, verdict)

    def failure(self, call: SandboxRequest, status: int, retry_after: float | None) -> SandboxResponse:
        """Write an error envelope without doing anything."""
        request_id = _request_id()
        message = "Something went wrong." if status >= 500 else "The request was refused."  # noqa: PLR2004 - HTTP's class of server errors
        code = CODE_BY_STATUS.get(status, "internal_error" if status >= 500 else "validation_failed")  # noqa: PLR2004 - HTTP's class of server errors
        answer = error_answer(ApiError(status, code, message), request_id)
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return self._finish(call, answer, request_id, None)

    def record(self, user_id: str) -> dict[str, Any] | None:
        """The account user as stored, with its profile."""
        rows = self._store.select(account_users().where("au.id = ?", user_id))
        return rows[0] if rows else None

    def _match(self, call: SandboxRequest) -> Match[Endpoint]:
        found = self._routes.find(call.method, call.path)
        if isinstance(found, Match):
            return found
        if found:
            message = f"Method {call.method} not allowed for path {call.path}."
            raise ApiError(405, "method_not_allowed", message)
        message = f"The requested endpoint {call.method} {call.path} was not found."
        raise ApiError(404, "resource_not_found", message)

    async def _admitted(self, call: SandboxRequest, match: Match[Endpoint], request_id: str) -> SandboxResponse:
        check_key(call.headers)
        version = version_of(prefixed(call.headers, "Version")[1], self._undecided)
        account = check_account(call.headers)
        context = AccountContext(self._store, call, match.values, version, match.template, request_id)

        async def work() -> SandboxResponse:
            # Inside the idempotency layer: a slow call holds its key's lock, and its 400 is stored.
            await asyncio.sleep(call.delay)
            try:
                if len(call.body) > _LARGEST_BODY:
                    raise ApiError(400, "validation_failed", "The request body is larger than 1 MiB.")  # noqa: TRY301 - every refusal is written in one place
                return match.handler(context)
            except ApiError as error:
                return error_answer(error, request_id)

        return await idempotency.once(self._store, call, template=match.template, account=account, work=work)

    def _finish(
        self, call: SandboxRequest, answer: SandboxResponse, request_id: str, verdict: Verdict | None
    ) -> SandboxResponse:
        seen = verdict or self._window.peek(call.remote)
        answer.headers |= {
            "Request-ID": request_id,
            "RateLimit-Limit": str(self._window.limit),
            "RateLimit-Remaining": str(seen.remaining),
            "RateLimit-Reset": str(int(seen.reset)),
        }
        if not seen.allowed:
            answer.headers["Retry-After"] = str(seen.retry_after)
        prefix, version = prefixed(call.headers, "Version")
        if version:
            answer.headers[f"{prefix}-Version"] = version
        if call.headers.get("user-agent", "").startswith("curl/"):
            answer.body = orjson.dumps(orjson.loads(answer.body), option=orjson.OPT_INDENT_2)
        return answer


def _routes() -> Routes[Endpoint]:
    routes: Routes[Endpoint] = Routes()
    routes.add("GET", _USERS, users.list_users)
    routes.add("POST", _USERS, user_changes.create_user)
    routes.add("GET", f"{_USERS}/{{id}}", users.get_user)
    routes.add("PATCH", f"{_USERS}/{{id}}", user_changes.update_user)
    routes.add("PUT", f"{_USERS}/{{id}}/status", users.put_status)
    routes.add("PUT", f"{_USERS}/{{id}}/actions/activate", users.act("active"))
    routes.add("PUT", f"{_USERS}/{{id}}/actions/disable", users.act("disabled"))
    routes.add("PUT", f"{_USERS}/{{id}}/actions/remove", users.act("removed"))
    routes.add("GET", _ROLES, roles.list_roles)
    routes.add("POST", _ROLES, roles.create_role)
    routes.add("GET", f"{_ROLES}/{{id}}", roles.get_role)
    routes.add("PATCH", f"{_ROLES}/{{id}}", roles.update_role)
    routes.add("DELETE", f"{_ROLES}/{{id}}", roles.delete_role)
    routes.add("GET", _DEPARTMENTS, departments.list_departments)
    routes.add("GET", f"{_DEPARTMENTS}/{{id}}", departments.get_department)
    routes.add("GET", _AUDIT_EVENTS, audit_events.list_audit_events)
    routes.add("GET", f"{_AUDIT_EVENTS}/{{id}}", audit_events.get_audit_event)
    return routes


def _request_id() -> str:
    number = secrets.randbits(128)
    letters = []
    for _ in range(19):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    return f"rq_{''.join(letters)}"
