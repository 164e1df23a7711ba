"""Roles: list, get, create, update, delete (account.md, section 3.2)."""

import re
import secrets
from typing import Any

import orjson

from gateway.sandbox.account.bodies import Field, check, decode, not_longer
from gateway.sandbox.account.context import AccountContext
from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.account.paging import page
from gateway.sandbox.account.parameters import Parameters
from gateway.sandbox.account.role_views import ROLE_INCLUDES, role_view
from gateway.sandbox.account.users import ROLE_TYPES
from gateway.sandbox.clock import now
from gateway.sandbox.exchange import SandboxResponse
from gateway.sandbox.store import Row, Select

__all__ = ["create_role", "delete_role", "get_role", "list_roles", "update_role"]

_PERMISSION = re.compile(r"[a-z_]+:(create|read|update|delete)")
_FIELDS = {
    "name": Field(str, rule=not_longer(255, blank=False), message="must be 1 to 255 characters"),
    "permissions": Field(list),
}


def list_roles(context: AccountContext) -> SandboxResponse:
    """GET /v1/identity/roles."""
    kinds_name = "role_types" if context.april else "types"
    parameters = Parameters(
        context.call.query, scalars=("cursor", "limit", "q"), arrays=(kinds_name,), includes=ROLE_INCLUDES
    )
    limit = parameters.integer("limit", 100, 1, 1000)
    query = Select("*", "roles").where("NOT deleted")
    if kinds := parameters.array(kinds_name):
        for kind in kinds:
            if kind not in ROLE_TYPES:
                message = f"Query parameter '{kinds_name}[]' must be one of: {', '.join(ROLE_TYPES)}"
                raise ApiError(400, "parameter_invalid", message, f"{kinds_name}[]")
        query.where(f"type IN ({', '.join('?' * len(kinds))})", *kinds)
    if text := parameters.search():
        query.where("instr(fold(name), ?)", text.casefold())
    april, included = context.april, parameters.includes
    return SandboxResponse.json(
        page(
            context.store,
            query,
            context.call,
            lambda row: role_view(row, included, april=april),
            table="roles",
            limit=limit,
            april=april,
        )
    )


def get_role(context: AccountContext) -> SandboxResponse:
    """GET /v1/identity/roles/{id}."""
    parameters = Parameters(context.call.query, includes=ROLE_INCLUDES)
    return SandboxResponse.json(role_view(_row(context), parameters.includes, april=context.april))


def create_role(context: AccountContext) -> SandboxResponse:
    """POST /v1/identity/roles: always of type `user`."""
    parameters = Parameters(context.call.query, includes=ROLE_INCLUDES)
    sent = _body(context)
    if "name" not in sent:
        raise ApiError(400, "missing_field", "Field 'name' is required.", "name")
    _check_free(context, sent["name"], None)
    instant = now()
    key = f"rl_{secrets.token_hex(6)}"
    row: dict[str, Any] = {"id": key, "name": sent["name"], "type": "user", "owner": "account"}
    row["permissions"] = orjson.dumps(sent.get("permissions", [])).decode()
    context.store.insert("roles", [row | {"created_at": instant, "updated_at": instant}])
    document = role_view(_found(context, key), parameters.includes, april=context.april)
    return SandboxResponse.json(document, 201, Location=f"/v1/identity/roles/{key}")


def update_role(context: AccountContext) -> SandboxResponse:
    """PATCH /v1/identity/roles/{id}: permissions are replaced as a whole."""
    parameters = Parameters(context.call.query, includes=ROLE_INCLUDES)
    sent = _body(context)
    row = _row(context)
    if row["owner"] == "system":
        raise ApiError(400, "validation_failed", "Global roles cannot be modified.")
    if "name" in sent:
        _check_free(context, sent["name"], row["id"])
    if "permissions" in sent:
        sent["permissions"] = orjson.dumps(sent["permissions"]).decode()
    context.store.update("roles", row["id"], sent | {"updated_at": now()})
    return SandboxResponse.json(role_view(_row(context), parameters.includes, april=context.april))


def delete_role(context: AccountContext) -> SandboxResponse:
    """DELETE /v1/identity/roles/{id}."""
    Parameters(context.call.query)
    row = _row(context)
    if row["owner"] == "system":
        raise ApiError(400, "validation_failed", "Global roles cannot be deleted.")
    if context.store.row("SELECT id FROM account_users WHERE role_id = ? AND status <> 'removed'", row["id"]):
        message = "This role cannot be deleted because it is assigned to one or more users."
        raise ApiError(409, "resource_conflict", message)
    context.store.update("roles", row["id"], {"deleted": 1, "updated_at": now()})
    return SandboxResponse.json({})


def _body(context: AccountContext) -> dict[str, Any]:
    sent = decode(context.call.body, _FIELDS)
    check(sent, _FIELDS)
    for permission in sent.get("permissions", []):
        # The domain is not checked by the real server either, only the form and the action.
        if not isinstance(permission, str) or _PERMISSION.fullmatch(permission) is None:
            raise ApiError(400, "validation_failed", f"Invalid permission '{permission}'.", "permissions")
    return sent


def _row(context: AccountContext) -> Row:
    return _found(context, context.id)


def _found(context: AccountContext, key: str) -> Row:
    row = context.store.row("SELECT * FROM roles WHERE id = ?", key)
    if row is None:
        raise ApiError(404, "resource_not_found", "Role not found.")
    if row["deleted"]:
        raise ApiError(410, "resource_gone", "This role has been deleted.")
    return row


def _check_free(context: AccountContext, name: str, owner: str | None) -> None:
    taken = context.store.row("SELECT id FROM roles WHERE name = ? AND NOT deleted", name)
    if taken is not None and taken["id"] != owner:
        raise ApiError(409, "resource_conflict", f"A role with the name '{name}' already exists.", "name")
