"""Account users: create and update (account.md, sections 3.1.2 and 3.1.3)."""

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
from gateway.sandbox.clock import now
from gateway.sandbox.exchange import SandboxResponse
from gateway.sandbox.store import Row

__all__ = ["create_user", "update_user"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_STRENGTH = (
    "must be 8 to 72 characters and include an uppercase letter, a lowercase letter, a number and a special character"
)


def _fields(context: AccountContext, *, update: bool) -> dict[str, Field]:
    # null means absent in a create body and is refused by an update (section 3.1.3).
    null = not update
    fields = {
        "name": Field(str, null, bodies.not_longer(255, blank=not update), "must be 1 to 255 characters"),
        "email": Field(str, null, bodies.is_email, "must be a valid email address of at most 255 characters"),
        "username": Field(str, null, bodies.is_username, "must be 3 to 255 letters, numbers, underscores or hyphens"),
        "role_id": Field(str, nullable=True),
        "department_id": Field(str, nullable=True),
        "preferences": Field(list),
    }
    if not update:
        fields["password"] = Field(str, null, bodies.is_password, _STRENGTH)
    if not context.april:
        fields["is_commission_eligible"] = Field(bool)
    return fields


def create_user(context: AccountContext) -> SandboxResponse:
    """POST /v1/identity/account-users: a new user, or a known one linked or restored."""
    parameters = Parameters(context.call.query, includes=user_includes(context))
    fields = _fields(context, update=False)
    sent = decode(context.call.body, fields)
    check(sent, fields)
    _check_preferences(context, sent, update=False)
    wanted = {name: value for name, value in sent.items() if value is not None}
    email, username, password = wanted.get("email"), wanted.get("username"), wanted.get("password")
    if email is None and username is None:
        raise ApiError(400, "validation_failed", "Either email or username is required.")
    if email is None and password is None:
        raise ApiError(400, "validation_failed", "Password is required for scanning station users.")
    if email is not None and password is not None:
        message = "Password cannot be set directly for non-scanning station users."
        raise ApiError(400, "validation_failed", message)
    links = _links(context, SCANNER if email is None else wanted.get("role_id"), wanted.get("department_id"), wanted)
    with context.store.transaction():
        before, key = _add(context, wanted, links)
        record_change(context, before, user_row(context, key))
    document = UserWriter(context.store, parameters.includes, april=context.april)(user_row(context, key))
    return SandboxResponse.json(document, 201, Location=f"/v1/identity/account-users/{key}")


def update_user(context: AccountContext) -> SandboxResponse:
    """PATCH /v1/identity/account-users/{id}: what is absent stays; `updated_at` moves every time."""
    includes = () if context.april else user_includes(context)
    parameters = Parameters(context.call.query, includes=includes)
    fields = _fields(context, update=True)
    sent = decode(context.call.body, fields)
    check(sent, fields)
    _check_preferences(context, sent, update=True)
    row = user_row(context, context.id)
    profile = {name: sent[name] for name in ("name", "email", "username") if name in sent}
    for name in ("email", "username"):
        if name in profile:
            _check_free(context, name, profile[name], row["user_id"])
    links = _links(context, sent.get("role_id"), sent.get("department_id"), sent, current=row["role_id"])
    changed = {name: value for name, value in links.items() if name in sent}
    if "role_id" in sent or "is_commission_eligible" in sent:
        changed["is_commission_eligible"] = links["is_commission_eligible"]
    instant = now()
    with context.store.transaction():
        if profile:
            context.store.update("users", row["user_id"], profile | {"updated_at": instant})
        context.store.update("account_users", row["id"], changed | {"updated_at": instant})
        record_change(context, row, user_row(context, row["id"]))
    included = user_includes(context) if context.april else parameters.includes
    return SandboxResponse.json(UserWriter(context.store, included, april=context.april)(user_row(context, row["id"])))


def _check_preferences(context: AccountContext, sent: Mapping[str, Any], *, update: bool) -> None:
    name = "notification_type_code" if context.april else "notification_type"
    for place, item in enumerate(sent.get("preferences") or []):
        where = f"preferences[{place}]"
        if not isinstance(item, dict):
            raise ApiError(400, "invalid_format", f"Invalid type for field '{where}': expected object", where)
        for key in item:
            if key not in {name, "enabled"}:
                message = f"Invalid JSON in request body: unknown field '{key}'. Did you mean '{name}'?"
                raise ApiError(400, "parameter_unknown", message, key)
        for key, kind in ((name, str), ("enabled", bool)):
            if item.get(key) is None:
                raise ApiError(400, "missing_field", f"Field '{where}.{key}' is required.", f"{where}.{key}")
            if type(item[key]) is not kind:
                raise ApiError(400, "invalid_format", f"Invalid type for field '{where}.{key}'", f"{where}.{key}")
    if update and sent.get("preferences"):
        message = "Notification preferences can only be updated for external (cross-account) users."
        raise ApiError(400, "validation_failed", message)


def _links(
    context: AccountContext,
    role: str | None,
    department: str | None,
    sent: Mapping[str, Any],
    current: str | None = None,
) -> dict[str, Any]:
    """Check that role and department exist; what the member row shall hold."""
    store = context.store
    decisive = role if "role_id" in sent or role is not None else current
    found = store.row("SELECT id, type FROM roles WHERE id = ? AND NOT deleted", decisive) if decisive else None
    if role is not None and found is None:
        raise ApiError(404, "resource_not_found", "Role not found.", "role_id")
    if department is not None and store.row("SELECT id FROM departments WHERE id = ?", department) is None:
        raise ApiError(404, "resource_not_found", "Department not found.", "department_id")
    kind = found["type"] if found else None
    eligible = bool(sent.get("is_commission_eligible"))
    if eligible and kind in {"scanner", "agent"}:
        message = f"Users with a role of type {kind} cannot be commission eligible."
        raise ApiError(400, "validation_failed", message, "is_commission_eligible")
    if kind == "sales_rep":
        eligible = True
        role = CANONICAL_SALES_REP if role is not None else None
    return {"role_id": role, "department_id": department, "is_commission_eligible": eligible}


def _add(context: AccountContext, wanted: Mapping[str, Any], links: dict[str, Any]) -> tuple[Row | None, str]:
    """Create, link or restore; the account user as it was, and its id."""
    store, instant = context.store, now()
    user = _known(context, wanted)
    if user is None:
        if username := wanted.get("username"):
            _check_free(context, "username", username, None)
        user_id = f"us_{_new_code()}"
        profile = {name: wanted.get(name) for name in ("name", "email", "username")}
        store.insert("users", [{"id": user_id, **profile, "created_at": instant, "updated_at": instant}])
    else:
        user_id = user["id"]
    member = store.row("SELECT id, status FROM account_users WHERE user_id = ?", user_id)
    if member is not None:
        if member["status"] != "removed":
            raise ApiError(409, "resource_conflict", "This user is already linked to this account.")
        # A restored member keeps the role and department that the request leaves open.
        before = user_row(context, member["id"])
        kept = {name: value for name, value in links.items() if value is not None}
        store.update("account_users", member["id"], kept | {"status": "active", "updated_at": instant})
        return before, str(member["id"])
    key = f"acus_{_new_code()}"
    row = {"id": key, "user_id": user_id, "status": "active", "last_used_at": None}
    store.insert("account_users", [row | links | {"created_at": instant, "updated_at": instant}])
    return None, key


def _known(context: AccountContext, wanted: Mapping[str, Any]) -> Row | None:
    if email := wanted.get("email"):
        return context.store.row("SELECT id FROM users WHERE email = ?", email)
    return context.store.row("SELECT id FROM users WHERE username = ?", wanted.get("username"))


def _check_free(context: AccountContext, name: str, value: str, owner: str | None) -> None:
    columns = {
        "email": "SELECT id FROM users WHERE email = ?",
        "username": "SELECT id FROM users WHERE username = ?",
    }
    taken = context.store.row(columns[name], value)
    if taken is not None and taken["id"] != owner:
        raise ApiError(409, "resource_conflict", f"A user with this {name} already exists.", name)


def _new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))
