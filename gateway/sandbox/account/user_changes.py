"""Create and update account users (docs/upstreams/account.md, "Create" and docs/upstreams/account.md, "Updates")."""

import secrets
from collections.abc import Mapping
from typing import Any

from gateway.sandbox.account import bodies
from gateway.sandbox.account.audit import record_change
from gateway.sandbox.account.bodies import Field, check, decode
from gateway.sandbox.account.context import AccountContext
from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.account.parameters import Parameters
from gateway.sandbox.account.role_seeds import CANONICAL_SALES_REP, SCANNER
from gateway.sandbox.account.user_views import UserWriter
from gateway.sandbox.account.users import user_includes, user_row
from gateway.sandbox.exchange import SandboxResponse
from gateway.sandbox.store import Row

__all__ = ["create_user", "update_user"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_STRENGTH = (
    "must be 8 to 72 characters and include an uppercase letter, a lowercase letter, a number and a special character"
)


def _fields(context: AccountContext, *, update: bool) -> dict[str, Field]:
    # null means absent in a create and is refused in an update.
    nullable = not update
    fields = {
        "name": Field(str, nullable, bodies.max_length(255, blank=not update), "must be 1 to 255 characters"),
        "email": Field(str, nullable, bodies.is_email, "must be a valid email address of at most 255 characters"),
        "username": Field(
            str, nullable, bodies.is_username, "must be 3 to 255 letters, numbers, underscores or hyphens"
        ),
        "role_id": Field(str, nullable=True),
        "department_id": Field(str, nullable=True),
        "preferences": Field(list),
    }
    if not update:
        fields["password"] = Field(str, nullable, bodies.is_password, _STRENGTH)
    if not context.april:
        fields["is_commission_eligible"] = Field(bool)
    return fields


def create_user(context: AccountContext) -> SandboxResponse:
    """POST /v1/identity/account-users: create a user, link an existing one, or restore a removed one."""
    parameters = Parameters(context.request.query, includes=user_includes(context))
    fields = _fields(context, update=False)
    body = decode(context.request.body, fields)
    check(body, fields)
    _check_preferences(context, body, update=False)
    values = {name: value for name, value in body.items() if value is not None}
    email, username, password = values.get("email"), values.get("username"), values.get("password")
    if email is None and username is None:
        raise ApiError(400, "validation_failed", "Either email or username is required.")
    if email is None and password is None:
        raise ApiError(400, "validation_failed", "Password is required for scanning station users.")
    if email is not None and password is not None:
        message = "Password cannot be set directly for non-scanning station users."
        raise ApiError(400, "validation_failed", message)
    references = _reference_columns(
        context, SCANNER if email is None else values.get("role_id"), values.get("department_id"), values
    )
    with context.store.transaction():
        before, record_id = _create_or_restore(context, values, references)
        record_change(context, before, user_row(context, record_id))
    document = UserWriter(context.store, parameters.includes, context.version)(user_row(context, record_id))
    return SandboxResponse.json(document, 201, Location=f"/v1/identity/account-users/{record_id}")


def update_user(context: AccountContext) -> SandboxResponse:
    """PATCH /v1/identity/account-users/{id}: absent fields stay; `updated_at` is always set."""
    includes = () if context.april else user_includes(context)
    parameters = Parameters(context.request.query, includes=includes)
    fields = _fields(context, update=True)
    body = decode(context.request.body, fields)
    check(body, fields)
    _check_preferences(context, body, update=True)
    row = user_row(context, context.id)
    profile = {name: body[name] for name in ("name", "email", "username") if name in body}
    for name in ("email", "username"):
        if name in profile:
            _check_unused(context, name, profile[name], row["user_id"])
    references = _reference_columns(
        context, body.get("role_id"), body.get("department_id"), body, current=row["role_id"]
    )
    changed = {name: value for name, value in references.items() if name in body}
    if "role_id" in body or "is_commission_eligible" in body:
        changed["is_commission_eligible"] = references["is_commission_eligible"]
    instant = context.store.clock.now()
    with context.store.transaction():
        if profile:
            context.store.update("users", row["user_id"], profile | {"updated_at": instant})
        context.store.update("account_users", row["id"], changed | {"updated_at": instant})
        record_change(context, row, user_row(context, row["id"]))
    included = user_includes(context) if context.april else parameters.includes
    return SandboxResponse.json(UserWriter(context.store, included, context.version)(user_row(context, row["id"])))


def _check_preferences(context: AccountContext, body: Mapping[str, Any], *, update: bool) -> None:
    name = "notification_type_code" if context.april else "notification_type"
    for index, item in enumerate(body.get("preferences") or []):
        path = f"preferences[{index}]"
        if not isinstance(item, dict):
            raise ApiError(400, "invalid_format", f"Invalid type for field '{path}': expected object", path)
        for key in item:
            if key not in {name, "enabled"}:
                message = f"Invalid JSON in request body: unknown field '{key}'. Did you mean '{name}'?"
                raise ApiError(400, "parameter_unknown", message, key)
        for key, kind in ((name, str), ("enabled", bool)):
            if item.get(key) is None:
                raise ApiError(400, "missing_field", f"Field '{path}.{key}' is required.", f"{path}.{key}")
            if type(item[key]) is not kind:
                raise ApiError(400, "invalid_format", f"Invalid type for field '{path}.{key}'", f"{path}.{key}")
    if update and body.get("preferences"):
        message = "Notification preferences can only be updated for external (cross-account) users."
        raise ApiError(400, "validation_failed", message)


def _reference_columns(
    context: AccountContext,
    role: str | None,
    department: str | None,
    body: Mapping[str, Any],
    current: str | None = None,
) -> dict[str, Any]:
    """Return the columns for role, department and commission. Raises ApiError if one of the two does not exist."""
    store = context.store
    role_id_after = role if "role_id" in body or role is not None else current
    role_row = (
        store.row("SELECT id, type FROM roles WHERE id = ? AND NOT deleted", role_id_after) if role_id_after else None
    )
    if role is not None and role_row is None:
        raise ApiError(404, "resource_not_found", "Role not found.", "role_id")
    if department is not None and store.row("SELECT id FROM departments WHERE id = ?", department) is None:
        raise ApiError(404, "resource_not_found", "Department not found.", "department_id")
    kind = role_row["type"] if role_row else None
    eligible = bool(body.get("is_commission_eligible"))
    if eligible and kind in {"scanner", "agent"}:
        message = f"Users with a role of type {kind} cannot be commission eligible."
        raise ApiError(400, "validation_failed", message, "is_commission_eligible")
    if kind == "sales_rep":
        eligible = True
        role = CANONICAL_SALES_REP if role is not None else None
    return {"role_id": role, "department_id": department, "is_commission_eligible": eligible}


def _create_or_restore(
    context: AccountContext, values: Mapping[str, Any], references: dict[str, Any]
) -> tuple[Row | None, str]:
    """Create, link or restore an account user; return its row from before (None if it is new) and its id."""
    store, instant = context.store, context.store.clock.now()
    user = _existing_user(context, values)
    if user is None:
        if username := values.get("username"):
            _check_unused(context, "username", username, None)
        user_id = f"us_{_random_code()}"
        profile = {name: values.get(name) for name in ("name", "email", "username")}
        store.insert("users", [{"id": user_id, **profile, "created_at": instant, "updated_at": instant}])
    else:
        user_id = user["id"]
    member = store.row("SELECT id, status FROM account_users WHERE user_id = ?", user_id)
    if member is not None:
        if member["status"] != "removed":
            raise ApiError(409, "resource_conflict", "This user is already linked to this account.")
        # Role and department become those of the request: none where it has none.
        before = user_row(context, member["id"])
        store.update("account_users", member["id"], references | {"status": "active", "updated_at": instant})
        return before, str(member["id"])
    record_id = f"acus_{_random_code()}"
    row = {"id": record_id, "user_id": user_id, "status": "active", "last_used_at": None}
    store.insert("account_users", [row | references | {"created_at": instant, "updated_at": instant}])
    return None, record_id


def _existing_user(context: AccountContext, values: Mapping[str, Any]) -> Row | None:
    if email := values.get("email"):
        return context.store.row("SELECT id FROM users WHERE email = ?", email)
    return context.store.row("SELECT id FROM users WHERE username = ?", values.get("username"))


def _check_unused(context: AccountContext, name: str, value: str, allowed_id: str | None) -> None:
    columns = {
        "email": "SELECT id FROM users WHERE email = ?",
        "username": "SELECT id FROM users WHERE username = ?",
    }
    other = context.store.row(columns[name], value)
    if other is not None and other["id"] != allowed_id:
        raise ApiError(409, "resource_conflict", f"A user with this {name} already exists.", name)


def _random_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))
