"""The seeded roles: five that the system owns, five of the account."""

from typing import Any

import orjson

from gateway.sandbox.clock import SECOND

__all__ = ["CANONICAL_SALES_REP", "ROLES", "SCANNER", "role_rows"]

_CREATED = 1_704_099_600 * SECOND  # 2024-01-01T09:00:00Z
_ALL = [
    f"{domain}:{action}"
    for domain in ("team", "roles", "departments", "customers", "invoices", "suppliers", "audit_events")
    for action in ("create", "read", "update", "delete")
]
_READ = [permission for permission in _ALL if permission.endswith(":read")]

SCANNER = "rl_scanner00000"
"""The role that every user without an e-mail address gets."""
CANONICAL_SALES_REP = "rl_salesrep0000"
"""The role that any other sales_rep role is replaced by."""

ROLES: dict[str, tuple[str, str, str, list[str]]] = {
    "rl_admin0000000": ("Admin", "admin", "system", _ALL),
    "rl_viewer000000": ("Viewer", "user", "system", _READ),
    SCANNER: ("Scanner", "scanner", "system", ["batches:read", "batches:update"]),
    CANONICAL_SALES_REP: ("Sales Rep", "sales_rep", "system", ["customers:read", "invoices:read"]),
    "rl_agent0000000": ("Agent", "agent", "system", ["customers:read"]),
    "rl_warehouse000": ("Warehouse Manager", "user", "account", ["customers:read", "departments:update"]),
    "rl_planner00000": ("Production Planner", "user", "account", ["departments:read", "departments:update"]),
    "rl_newcomer0000": ("Newcomer", "user", "account", []),
    "rl_fieldsales00": ("Field Sales", "sales_rep", "account", ["customers:read", "customers:create"]),
    "rl_service00000": ("Customer Service", "user", "account", ["customers:read", "customers:update"]),
}
"""By id: name, type, owner and permissions; the Newcomer has none."""


def role_rows() -> list[dict[str, Any]]:
    """The rows of the table `roles`."""
    return [
        {
            "id": key,
            "name": name,
            "type": kind,
            "owner": owner,
            "permissions": orjson.dumps(permissions).decode(),
            "created_at": _CREATED + place * 86_400 * SECOND,
            "updated_at": _CREATED + place * 86_400 * SECOND,
        }
        for place, (key, (name, kind, owner, permissions)) in enumerate(ROLES.items())
    ]
