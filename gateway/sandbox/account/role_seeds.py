"""The seeded roles: five system roles and five roles of the account."""

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
"""The role of every user without an e-mail address."""
CANONICAL_SALES_REP = "rl_salesrep0000"
"""The role that replaces every other role of type `sales_rep`."""

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
"""Name, type, owner and permissions of each role, by id; the Newcomer has no permissions."""


def role_rows() -> list[dict[str, Any]]:
    """Return the rows of the table `roles`."""
    return [
        {
            "id": role_id,
            "name": name,
            "type": kind,
            "owner": owner,
            "permissions": orjson.dumps(permissions).decode(),
            "created_at": _CREATED + index * 86_400 * SECOND,
            "updated_at": _CREATED + index * 86_400 * SECOND,
        }
        for index, (role_id, (name, kind, owner, permissions)) in enumerate(ROLES.items())
    ]
