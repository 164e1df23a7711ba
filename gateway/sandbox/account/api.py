"""The account API, with the documented order of checks (docs/upstreams/account.md, "Order of checks")."""

import asyncio
import secrets
from typing import Any

import orjson

from gateway.sandbox.account import audit, audit_events, departments, idempotency, roles, tables, user_changes, users
from gateway.sandbox.account.access import check_account, check_api_key, prefixed_header, required_permission
from gateway.sandbox.account.context import AccountContext, Endpoint
from gateway.sandbox.account.department_seeds import inner_rows
from gateway.sandbox.account.errors import CODE_BY_STATUS, ApiError, api_error_response
from gateway.sandbox.account.inner_records import INNER_RECORDS
from gateway.sandbox.account.seeds import seed
from gateway.sandbox.account.user_views import account_users
from gateway.sandbox.account.versions import Dialect, parse_version
from gateway.sandbox.credentials import AcceptedTokens
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.limits import UNLIMITED, RateLimitStatus, SlidingWindow
from gateway.sandbox.routes import Match, Routes
from gateway.sandbox.store import Store

__all__ = ["AccountApi"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_USERS = "/v1/identity/account-users"
_ACCOUNTS = "/v1/identity/accounts"
_ROLES = "/v1/identity/roles"
_DEPARTMENTS = "/v1/operations/departments"
_FILES = "/v1/files"
_AUDIT_EVENTS = "/v1/core/audit-events"
_MAX_BODY = 1024 * 1024


class AccountApi:
    """Serves account users, roles, departments with what is in them, and audit events.

    20 requests a second per client are allowed.
    """

    def __init__(self, store: Store, tokens: AcceptedTokens, *, enforce_limits: bool, dialect: Dialect) -> None:
        self._store = store
        self._tokens = tokens
        self._dialect = dialect
        self._window = SlidingWindow(20 if enforce_limits else UNLIMITED, 1.0, clock=store.clock.monotonic)
        self._routes = _routes(dialect)
        store.create(tables.SCHEMA + audit.SCHEMA + idempotency.SCHEMA)
        if store.seeded and store.row("SELECT id FROM inner_records") is None:  # by an earlier release
            store.insert("inner_records", inner_rows())

    def seed(self, count: int) -> None:
        """Seed the tables with `count` users."""
        seed(self._store, count)

    async def respond(self, request: SandboxRequest) -> SandboxResponse:
        """Return the response to a request; the order of the checks is part of the behaviour."""
        request_id = _new_request_id()
        rate_limit: RateLimitStatus | None = None
        try:
            # Unknown paths and wrong methods are refused before all other checks.
            match = self._match(request)
            rate_limit = self._window.take(request.remote)
            if not rate_limit.allowed:
                raise ApiError(429, CODE_BY_STATUS[429], "Too many requests. Please try again later.")  # noqa: TRY301 - all errors are converted in one place
            response = await self._execute(request, match, request_id)
        except ApiError as error:
            response = api_error_response(error, request_id)
        return self._add_headers(request, response, request_id, rate_limit)

    def error_response(self, request: SandboxRequest, status: int, retry_after: float | None) -> SandboxResponse:
        """Return an error envelope without executing the request."""
        request_id = _new_request_id()
        message = "Something went wrong." if status >= 500 else "The request was refused."  # noqa: PLR2004 - the first status of server errors
        if status == 403:  # noqa: PLR2004 - the status of a missing permission
            message = f"This API Key does not have permission to {required_permission(request.method, request.path)}"
        code = CODE_BY_STATUS.get(status, "internal_error" if status >= 500 else "validation_failed")  # noqa: PLR2004 - the first status of server errors
        response = api_error_response(ApiError(status, code, message), request_id)
        if retry_after is not None:
            response.headers["Retry-After"] = f"{retry_after:g}"
        return self._add_headers(request, response, request_id, None)

    def stored_user(self, user_id: str) -> dict[str, Any] | None:
        """Return the account user as stored, with its profile; None for an unknown id."""
        rows = self._store.select(account_users().where("au.id = ?", user_id))
        return rows[0] if rows else None

    def _match(self, request: SandboxRequest) -> Match[Endpoint]:
        found = self._routes.find(request.method, request.path)
        if isinstance(found, Match):
            return found
        if found:
            message = f"Method {request.method} not allowed for path {request.path}."
            raise ApiError(405, "method_not_allowed", message)
        message = f"The requested endpoint {request.method} {request.path} was not found."
        raise ApiError(404, "resource_not_found", message)

    async def _execute(self, request: SandboxRequest, match: Match[Endpoint], request_id: str) -> SandboxResponse:
        check_api_key(request.headers, self._tokens)
        version = parse_version(prefixed_header(request.headers, "Version")[1], self._dialect)
        account = check_account(request.headers)
        context = AccountContext(self._store, request, match.values, version, match.template, request_id)

        async def execute() -> SandboxResponse:
            # Inside the idempotency layer: a slow request holds the lock of its key, and a 400 is stored.
            await asyncio.sleep(request.delay)
            try:
                if len(request.body) > _MAX_BODY:
                    raise ApiError(400, "validation_failed", "The request body is larger than 1 MiB.")  # noqa: TRY301 - all errors are converted in one place
                return match.handler(context)
            except ApiError as error:
                return api_error_response(error, request_id)

        return await idempotency.execute_once(
            self._store, request, template=match.template, account=account, execute=execute
        )

    def _add_headers(
        self, request: SandboxRequest, response: SandboxResponse, request_id: str, rate_limit: RateLimitStatus | None
    ) -> SandboxResponse:
        current = rate_limit or self._window.peek(request.remote)
        response.headers |= {
            "Request-ID": request_id,
            "RateLimit-Limit": str(self._window.limit),
            "RateLimit-Remaining": str(current.remaining),
            "RateLimit-Reset": str(int(current.reset)),
        }
        if not current.allowed:
            response.headers["Retry-After"] = str(current.retry_after)
        prefix, version = prefixed_header(request.headers, "Version")
        if version:
            response.headers[f"{prefix}-Version"] = version
        is_json = response.headers.get("Content-Type") == "application/json"
        if is_json and request.headers.get("user-agent", "").startswith("curl/"):
            response.body = orjson.dumps(orjson.loads(response.body), option=orjson.OPT_INDENT_2)
        return response


def _routes(dialect: Dialect) -> Routes[Endpoint]:
    routes: Routes[Endpoint] = Routes()
    routes.add("GET", _USERS, users.list_users)
    routes.add("POST", _USERS, user_changes.create_user)
    routes.add("GET", f"{_USERS}/{{id}}", users.get_user)
    routes.add("PATCH", f"{_USERS}/{{id}}", user_changes.update_user)
    if dialect is Dialect.APRIL:
        routes.add("PUT", f"{_USERS}/{{id}}/status", users.put_status)
    else:
        for action, status in (("activate", "active"), ("disable", "disabled"), ("remove", "removed")):
            routes.add("PUT", f"{_USERS}/{{id}}/actions/{action}", users.status_action(status))
    routes.add("GET", _ROLES, roles.list_roles)
    routes.add("POST", _ROLES, roles.create_role)
    routes.add("GET", f"{_ROLES}/{{id}}", roles.get_role)
    routes.add("PATCH", f"{_ROLES}/{{id}}", roles.update_role)
    routes.add("DELETE", f"{_ROLES}/{{id}}", roles.delete_role)
    routes.add("GET", _DEPARTMENTS, departments.list_departments)
    routes.add("GET", f"{_DEPARTMENTS}/{{id}}", departments.get_department)
    routes.add("GET", f"{_ACCOUNTS}/{{id}}", roles.get_account)
    for path, records in INNER_RECORDS.items():
        routes.add("GET", path, records.list())
        routes.add("GET", f"{path}/{{id}}", records.get())
    routes.add("GET", f"{_FILES}/{{name}}", users.get_picture)
    routes.add("GET", _AUDIT_EVENTS, audit_events.list_audit_events)
    routes.add("GET", f"{_AUDIT_EVENTS}/{{id}}", audit_events.get_audit_event)
    return routes


def _new_request_id() -> str:
    number = secrets.randbits(128)
    letters = []
    for _ in range(19):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    return f"rq_{''.join(letters)}"
