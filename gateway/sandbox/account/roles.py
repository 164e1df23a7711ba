"""The endpoints of roles: list, get, create, update and delete (docs/upstreams/account.md, "Roles")."""

import re
import secrets
from typing import Any

import orjson

from gateway.sandbox.account.audit import record_role_change
from gateway.sandbox.account.bodies import Field, check, decode, max_length
from gateway.sandbox.account.context import AccountContext
from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.account.paging import page
from gateway.sandbox.account.parameters import Parameters
from gateway.sandbox.account.role_views import ACCOUNT_INCLUDES, ROLE_INCLUDES, account_view, role_view
from gateway.sandbox.account.users import ROLE_TYPES
from gateway.sandbox.credentials import ACCOUNT_ID
from gateway.sandbox.exchange import SandboxResponse
from gateway.sandbox.store import Row, Select

__all__ = ["create_role", "delete_role", "get_account", "get_role", "list_roles", "update_role"]

_PERMISSION = re.compile(r"[a-z_]+:(create|read|update|delete)")
_FIELDS = {
    "name": Field(str, rule=max_length(255, blank=False), message="must be 1 to 255 characters"),
    "permissions": Field(list),
}


def list_roles(context: AccountContext) -> SandboxResponse:
    """GET /v1/identity/roles."""
    types_parameter = "role_types" if context.april else "types"
    parameters = Parameters(
        context.request.query, scalars=("cursor", "limit", "q"), arrays=(types_parameter,), includes=ROLE_INCLUDES
    )
    limit = parameters.integer("limit", 100, 1, 1000)
    query = Select("*", "roles").where("NOT deleted")
    if types := parameters.array(types_parameter):
        for role_type in types:
            if role_type not in ROLE_TYPES:
                message = f"Query parameter '{types_parameter}[]' must be one of: {', '.join(ROLE_TYPES)}"
                raise ApiError(400, "parameter_invalid", message, f"{types_parameter}[]")
        query.where(f"type IN ({', '.join('?' * len(types))})", *types)
    if text := parameters.search():
        query.where("instr(fold(name), ?)", text.casefold())
    april, included = context.april, parameters.includes
    return SandboxResponse.json(
        page(
            context.store,
            query,
            context.request,
            lambda row: role_view(row, included, april=april),
            table="roles",
            limit=limit,
            april=april,
        )
    )


def get_role(context: AccountContext) -> SandboxResponse:
    """GET /v1/identity/roles/{id}."""
    parameters = Parameters(context.request.query, includes=ROLE_INCLUDES)
    return SandboxResponse.json(role_view(_requested_role(context), parameters.includes, april=context.april))


def get_account(context: AccountContext) -> SandboxResponse:
    """GET /v1/identity/accounts/{id}: only the account of the request can be read."""
    parameters = Parameters(context.request.query, includes=ACCOUNT_INCLUDES)
    if context.id != ACCOUNT_ID:
        message = "You can only retrieve the account you are acting in."
        raise ApiError(403, "insufficient_permissions", message)
    return SandboxResponse.json(account_view(parameters.includes))


def create_role(context: AccountContext) -> SandboxResponse:
    """POST /v1/identity/roles: the new role has the type `user`."""
    parameters = Parameters(context.request.query, includes=ROLE_INCLUDES)
    body = _parse_body(context)
    if "name" not in body:
        raise ApiError(400, "missing_field", "Field 'name' is required.", "name")
    _check_name_unused(context, body["name"], None)
    instant = context.store.clock.now()
    role_id = f"rl_{secrets.token_hex(6)}"
    row: dict[str, Any] = {"id": role_id, "name": body["name"], "type": "user", "owner": "account"}
    row["permissions"] = orjson.dumps(body.get("permissions", [])).decode()
    context.store.insert("roles", [row | {"created_at": instant, "updated_at": instant}])
    stored = _role_row(context, role_id)
    record_role_change(context, None, stored)
    document = role_view(stored, parameters.includes, april=context.april)
    return SandboxResponse.json(document, 201, Location=f"/v1/identity/roles/{role_id}")


def update_role(context: AccountContext) -> SandboxResponse:
    """PATCH /v1/identity/roles/{id}: permissions are replaced as a whole."""
    parameters = Parameters(context.request.query, includes=ROLE_INCLUDES)
    body = _parse_body(context)
    row = _requested_role(context)
    if row["owner"] == "system":
        raise ApiError(400, "validation_failed", "Global roles cannot be modified.")
    if "name" in body:
        _check_name_unused(context, body["name"], row["id"])
    if "permissions" in body:
        body["permissions"] = orjson.dumps(body["permissions"]).decode()
    context.store.update("roles", row["id"], body | {"updated_at": context.store.clock.now()})
    stored = _requested_role(context)
    record_role_change(context, row, stored)
    return SandboxResponse.json(role_view(stored, parameters.includes, april=context.april))


def delete_role(context: AccountContext) -> SandboxResponse:
    """DELETE /v1/identity/roles/{id}."""
    Parameters(context.request.query)
    row = _requested_role(context)
    if row["owner"] == "system":
        raise ApiError(400, "validation_failed", "Global roles cannot be deleted.")
    if context.store.row("SELECT id FROM account_users WHERE role_id = ? AND status <> 'removed'", row["id"]):
        message = "This role cannot be deleted because it is assigned to one or more users."
        raise ApiError(409, "resource_conflict", message)
    context.store.update("roles", row["id"], {"deleted": 1, "updated_at": context.store.clock.now()})
    record_role_change(context, row, row | {"deleted": 1})
    return SandboxResponse.json({})


def _parse_body(context: AccountContext) -> dict[str, Any]:
    body = decode(context.request.body, _FIELDS)
    check(body, _FIELDS)
    for permission in body.get("permissions", []):
        # As on the real server, the form and the action are checked, but not the domain.
        if not isinstance(permission, str) or _PERMISSION.fullmatch(permission) is None:
            raise ApiError(400, "validation_failed", f"Invalid permission '{permission}'.", "permissions")
    return body


def _requested_role(context: AccountContext) -> Row:
    return _role_row(context, context.id)


def _role_row(context: AccountContext, role_id: str) -> Row:
    row = context.store.row("SELECT * FROM roles WHERE id = ?", role_id)
    if row is None:
        raise ApiError(404, "resource_not_found", "Role not found.")
    if row["deleted"]:
        raise ApiError(410, "resource_gone", "This role has been deleted.")
    return row


def _check_name_unused(context: AccountContext, name: str, allowed_id: str | None) -> None:
    other = context.store.row("SELECT id FROM roles WHERE name = ? AND NOT deleted", name)
    if other is not None and other["id"] != allowed_id:
        raise ApiError(409, "resource_conflict", f"A role with the name '{name}' already exists.", "name")
