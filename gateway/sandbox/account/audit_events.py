"""The endpoints of audit events: list and get (docs/upstreams/account.md, "Events")."""

from collections.abc import Callable, Collection
from typing import Any

import orjson

from gateway.sandbox.account.audit import ACTOR
from gateway.sandbox.account.context import AccountContext
from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.account.paging import list_envelope, page
from gateway.sandbox.account.parameters import Parameters
from gateway.sandbox.clock import SECOND, go_time, micros
from gateway.sandbox.credentials import ACCOUNT_ID
from gateway.sandbox.exchange import SandboxResponse
from gateway.sandbox.store import Row, Select

__all__ = ["get_audit_event", "list_audit_events"]

_INCLUDES = ("account", "actor", "changes", "metadata", "request")
_ACTIONS = ("create", "update", "upsert", "delete", "restore", "archive", "approve", "deny")
_ACTOR_TYPES = ("user", "api_key", "agent", "group")
_SCALARS = ("cursor", "limit", "q", "root_resource_type", "root_resource_id")
_WINDOW, _FORMER_WINDOW = ("starts_at", "ends_at"), ("start_date", "end_date")  # renamed in summer 2026
_DAY = 86_400 * SECOND
# The SQL with which each array parameter is compared.
_ARRAYS = {
    "resource_types": "e.resource_type",
    "resource_ids": "e.resource_id",
    "actions": "e.action",
    "actor_ids": f"'{ACTOR}'",
    "actor_types": "'api_key'",
    "actor_account_ids": f"'{ACCOUNT_ID}'",
    "target_account_ids": f"'{ACCOUNT_ID}'",
}
_CHOICES = {"actions": _ACTIONS, "actor_types": _ACTOR_TYPES}


def list_audit_events(context: AccountContext) -> SandboxResponse:
    """GET /v1/core/audit-events: newest first by `occurred_at`; all filters must hold."""
    start, end = _FORMER_WINDOW if context.april else _WINDOW
    scalars = (*_SCALARS, start, end)
    parameters = Parameters(context.request.query, scalars=scalars, arrays=[*_ARRAYS], includes=_INCLUDES)
    limit = parameters.integer("limit", 100, 1, 1000)
    query = Select("e.*", "audit_events e")
    for name, column in _ARRAYS.items():
        if values := _array(parameters, name):
            query.where(f"{column} IN ({', '.join('?' * len(values))})", *values)
    has_root = bool(parameters.text("root_resource_type") and parameters.text("root_resource_id"))
    is_narrow = has_root or bool(parameters.array("resource_ids"))
    times = {name: _time(name, text) for name in (start, end) if (text := parameters.text(name)) is not None}
    if context.version.searches_one_day and start not in times and not is_narrow:
        times[start] = times.get(end, context.store.clock.now()) - _DAY
    for name, comparison in ((start, ">="), (end, "<=")):
        if name in times:
            query.where(f"e.occurred_at {comparison} ?", times[name])
    if has_root:
        query.where("0")  # account users have no root record; a root with only one of the two parameters is ignored
    if text := parameters.search():
        searched = ("resource_type", "action", "resource_id", "request_id")
        query.where(" OR ".join(f"instr(fold(e.{name}), ?)" for name in searched), *[text.casefold()] * len(searched))
    render = _renderer(parameters.includes, april=context.april)
    document = page(
        context.store, query, context.request, render, table="e", limit=limit, april=context.april, time="occurred_at"
    )
    return SandboxResponse.json(document)


def get_audit_event(context: AccountContext) -> SandboxResponse:
    """GET /v1/core/audit-events/{id}."""
    parameters = Parameters(context.request.query, includes=_INCLUDES)
    row = context.store.row("SELECT * FROM audit_events WHERE id = ?", context.id)
    if row is None:
        raise ApiError(404, "resource_not_found", "Audit event not found.")
    return SandboxResponse.json(_renderer(parameters.includes, april=context.april)(row))


def _array(parameters: Parameters, name: str) -> list[str]:
    values = parameters.array(name)
    allowed = _CHOICES.get(name)
    if allowed is not None and any(value not in allowed for value in values):
        message = f"Query parameter '{name}' must be one of: {', '.join(allowed)}"
        raise ApiError(400, "parameter_invalid", message, name)
    return values


def _time(name: str, text: str) -> int:
    try:
        return micros(text)
    except ValueError:
        message = f"Query parameter '{name}' must be an RFC 3339 timestamp."
        raise ApiError(400, "parameter_invalid", message, name) from None


def _renderer(includes: Collection[str], *, april: bool) -> Callable[[Row], dict[str, Any]]:
    def render(row: Row) -> dict[str, Any]:
        includable = {
            "account": {"id": ACCOUNT_ID, "object": "account", "name": "Sandbox"},
            "actor": _actor(),
            "changes": list_envelope(orjson.loads(row["changes"]), april=april),
            "request": orjson.loads(row["request"]),
        }
        included_fields = {name: includable.get(name) if name in includes else None for name in _INCLUDES}
        occurred_at = go_time(row["occurred_at"])
        columns = ("id", "action", "resource_type", "resource_id", "idempotency_key", "source_ip")
        document = {name: row[name] for name in columns} | included_fields
        return document | {"object": "audit_event", "occurred_at": occurred_at, "created_at": occurred_at}

    return render


def _actor() -> dict[str, Any]:
    return {
        "id": ACTOR,
        "object": "actor",
        "type": "api_key",
        "name": "Sandbox key",
        "handle": "mrp_sk_test_****box0",
        "avatar_url": None,
        "role": None,
    }
