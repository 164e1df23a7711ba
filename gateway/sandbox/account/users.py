"""The endpoints of account users for list, get and status changes (docs/upstreams/account.md, "Endpoints")."""

import re
from collections.abc import Callable
from typing import Any

from gateway.sandbox.account.audit import record_change
from gateway.sandbox.account.bodies import Field, decode
from gateway.sandbox.account.context import AccountContext
from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.account.paging import page
from gateway.sandbox.account.parameters import Parameters
from gateway.sandbox.account.user_views import UserWriter, account_users
from gateway.sandbox.exchange import SandboxResponse
from gateway.sandbox.identicons import identicon_png
from gateway.sandbox.store import Row

__all__ = [
    "ROLE_TYPES",
    "get_picture",
    "get_user",
    "list_users",
    "put_status",
    "status_action",
    "user_includes",
    "user_row",
]

ROLE_TYPES = ("admin", "user", "scanner", "sales_rep", "agent")
"""The types of roles."""

_TERM = re.compile(r"\w+")
_SHORTEST_TERM = 3  # MySQL's default
_STATUSES = ("active", "disabled", "removed")


def user_includes(context: AccountContext) -> tuple[str, ...]:
    """Return the values of `include` that GET by id and POST allow.

    List and PATCH allow the same values, but none in the form of April.
    """
    return ("role", "department") if context.april else ("user", "role", "department")


def user_row(context: AccountContext, record_id: str) -> Row:
    """Return the row of an account user, also of a removed one. Raises ApiError (404) for an unknown id."""
    rows = context.store.select(account_users().where("au.id = ?", record_id))
    if not rows:
        raise ApiError(404, "resource_not_found", "Account user not found.")
    return rows[0]


def get_picture(context: AccountContext) -> SandboxResponse:
    """GET of the path in `image_url`."""
    path = context.request.path
    if context.store.row("SELECT id FROM users WHERE image_url = ?", path) is None:
        raise ApiError(404, "resource_not_found", "File not found.")
    return SandboxResponse(200, identicon_png(path), {"Content-Type": "image/png"})


def list_users(context: AccountContext) -> SandboxResponse:
    """GET /v1/identity/account-users."""
    april = context.april
    scalars = ["cursor", "limit", "q", "role_type"]
    scalars += ["include_removed"] if april else ["removed_scope", "is_commission_eligible"]
    includes = () if april else user_includes(context)
    parameters = Parameters(context.request.query, scalars=scalars, includes=includes)
    limit = parameters.integer("limit", 100, 1, 1000)
    query = account_users()
    if april:
        removed = bool(parameters.flag("include_removed"))
    else:
        removed = parameters.choice("removed_scope", ("excluded", "included")) == "included"
        if (eligible := parameters.flag("is_commission_eligible")) is not None:
            query.where("au.is_commission_eligible = ?", eligible)
    if not removed:
        query.where("au.status <> 'removed'")
    if role_type := parameters.choice("role_type", ROLE_TYPES):
        query.where("au.role_id IN (SELECT id FROM roles WHERE type = ?)", role_type)
    if text := parameters.search():
        folded = text.casefold()
        # The full-text index of names finds the beginnings of what is between blanks and hyphens.
        terms = [term for term in _TERM.findall(folded) if len(term) >= _SHORTEST_TERM]
        by_name = " AND ".join(["instr(' ' || replace(fold(u.name), '-', ' '), ?)"] * len(terms)) or "0"
        by_part = "instr(fold(u.username), ?) OR instr(fold(u.email), ?)"
        query.where(f"({by_name}) OR {by_part}", *[f" {term}" for term in terms], folded, folded)
    # In the form of April a list includes everything (docs/upstreams/account.md, "Differences").
    included = user_includes(context) if april else parameters.includes
    render = UserWriter(context.store, included, context.version)
    return SandboxResponse.json(
        page(context.store, query, context.request, render, table="au", limit=limit, april=april)
    )


def get_user(context: AccountContext) -> SandboxResponse:
    """GET /v1/identity/account-users/{id}."""
    parameters = Parameters(context.request.query, includes=user_includes(context))
    row = user_row(context, context.id)
    return SandboxResponse.json(UserWriter(context.store, parameters.includes, context.version)(row))


def status_action(status: str) -> Callable[[AccountContext], SandboxResponse]:
    """Return the endpoint PUT /v1/identity/account-users/{id}/actions/… that sets this status."""

    def endpoint(context: AccountContext) -> SandboxResponse:
        Parameters(context.request.query)
        return _set_status(context, status)

    return endpoint


def put_status(context: AccountContext) -> SandboxResponse:
    """PUT /v1/identity/account-users/{id}/status, the form of April."""
    Parameters(context.request.query)
    document: dict[str, Any] = decode(context.request.body, {"status": Field(str)})
    if "status" not in document:
        raise ApiError(400, "missing_field", "Field 'status' is required.", "status")
    if document["status"] not in _STATUSES:
        message = f"Field 'status' must be one of: {', '.join(_STATUSES)}"
        raise ApiError(400, "parameter_invalid", message, "status")
    return _set_status(context, document["status"])


def _set_status(context: AccountContext, status: str) -> SandboxResponse:
    row = user_row(context, context.id)
    if status == "disabled":
        if row["status"] == "removed":
            message = "Cannot lock a removed user. Restore the user first."
            raise ApiError(400, "validation_failed", message)
        role = context.store.row("SELECT type FROM roles WHERE id = ?", row["role_id"])
        if role is not None and role["type"] == "admin":
            raise ApiError(400, "validation_failed", "Admin users cannot be locked.")
    if row["status"] != status:
        context.store.update("account_users", row["id"], {"status": status, "updated_at": context.store.clock.now()})
        record_change(context, row, user_row(context, context.id))
    return SandboxResponse.json({})
