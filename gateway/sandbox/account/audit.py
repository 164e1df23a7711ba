"""Records changes of account users and roles as audit events (docs/upstreams/account.md, "Events")."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from gateway.sandbox.account.context import AccountContext
from gateway.sandbox.store import Row

__all__ = ["ACTOR", "SCHEMA", "record_change", "record_role_change"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS audit_events (
  id TEXT PRIMARY KEY, action TEXT NOT NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL,
  changes TEXT NOT NULL, idempotency_key TEXT, request TEXT NOT NULL, request_id TEXT NOT NULL,
  source_ip TEXT NOT NULL, occurred_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_events_newest ON audit_events (occurred_at, id);
CREATE INDEX IF NOT EXISTS audit_events_resource ON audit_events (resource_id);
"""
ACTOR = "apke_sandbox"
"""The id of the only API key."""

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
# Names of columns, as the real API records them; not all of them are field names of the API.
_AUDITED = ("name", "email", "username", "status", "role_id", "department_id", "is_commission_eligible")
_AUDITED_OF_ROLES = ("name", "permissions", "deleted")


def record_change(context: AccountContext, before: Row | None, after: Row) -> None:
    """Record a change of an account user as an audit event, unless no audited field changed.

    Removing a user is recorded as `delete`; locking, unlocking and restoring one as `update`.
    """
    _record(context, "account_user", _action(before, after), after["id"], _changes(before, after, _AUDITED))


def record_role_change(context: AccountContext, before: Row | None, after: Row) -> None:
    """Record a change of a role as an audit event, unless no audited field changed."""
    action = "create" if before is None else "delete" if after["deleted"] else "update"
    _record(context, "role", action, after["id"], _changes(before, after, _AUDITED_OF_ROLES))


def _changes(before: Row | None, after: Row, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"object": "audit_field_change", "field": name, "old_value": old, "new_value": new}
        for name in names
        if (old := _value(before, name)) != (new := _value(after, name))
    ]


def _record(context: AccountContext, kind: str, action: str, record_id: str, changes: Sequence[Any]) -> None:
    if not changes:
        return
    row = {
        "id": f"auev_{''.join(secrets.choice(_ALPHABET) for _ in range(12))}",
        "action": action,
        "resource_type": kind,
        "resource_id": record_id,
        "changes": orjson.dumps(changes).decode(),
        "idempotency_key": context.request.headers.get("idempotency-key"),
        "request": orjson.dumps(_request_json(context)).decode(),
        "request_id": context.request_id,
        "source_ip": context.request.remote,
        "occurred_at": context.store.clock.now(),
    }
    context.store.insert("audit_events", [row])


def _action(before: Row | None, after: Row) -> Literal["create", "update", "delete"]:
    if before is None:
        return "create"
    return "delete" if after["status"] == "removed" != before["status"] else "update"


def _value(row: Row | None, name: str) -> Any:
    if row is None or row[name] is None:
        return None
    if name == "deleted":  # a new role is not deleted, which is no change
        return True if row[name] else None
    return bool(row[name]) if name == "is_commission_eligible" else row[name]


def _request_json(context: AccountContext) -> Mapping[str, Any]:
    """Return the fields of a request log that are known before the response is sent."""
    return {
        "id": context.request_id,
        "object": "request_log",
        "method": context.request.method,
        "path": context.request.path,
        "normalized_route": context.route,
        "api_version": context.version.text,
        "client_ip": context.request.remote,
        "user_agent": context.request.headers.get("user-agent"),
        "idempotency_key": context.request.headers.get("idempotency-key"),
    }
