"""Renders account users as JSON: with a nested profile, or with a flat one in the form of April."""

from collections.abc import Callable, Collection
from typing import Any

from gateway.sandbox.account.department_views import DEPARTMENT_INCLUDES, department_view
from gateway.sandbox.account.role_views import ROLE_INCLUDES, role_view
from gateway.sandbox.account.versions import Version
from gateway.sandbox.clock import go_time
from gateway.sandbox.store import Row, Select, Store

__all__ = ["UserWriter", "account_users"]


def account_users() -> Select:
    """Return a query for all account users (alias `au`) with their profiles (alias `u`)."""
    return Select(
        columns=(
            "au.*, u.email, u.name, u.username, u.email_verified_at, u.image_url,"
            " u.created_at AS user_created_at, u.updated_at AS user_updated_at"
        ),
        # CROSS makes SQLite read account_users first, whose index has the order of the result.
        from_clause="account_users au CROSS JOIN users u ON u.id = au.user_id",
    )


class UserWriter:
    """Renders the account users of one response; each role and department is rendered once.

    Nested `role.owner`, `role.permissions` and the nested records of `department` are null, except in the form of
    April, where they are filled (docs/upstreams/account.md, "Include").
    """

    def __init__(self, store: Store, included: Collection[str], version: Version) -> None:
        self._store = store
        self._included = included
        self._april = version.april
        self._hoists_profiles = version.hoists_profiles
        self._roles: dict[str, dict[str, Any] | None] = {}
        self._departments: dict[str, dict[str, Any] | None] = {}

    def __call__(self, row: Row) -> dict[str, Any]:
        """Return the JSON of a row of `account_users()`."""
        document = {
            "id": row["id"],
            "object": "account_user",
            "status": row["status"],
            "role": self._role(row["role_id"]) if "role" in self._included else None,
            "department": self._department(row["department_id"]) if "department" in self._included else None,
            "last_used_at": go_time(row["last_used_at"]),
            "created_at": go_time(row["created_at"]),
            "updated_at": go_time(row["updated_at"]),
        }
        if self._april:
            return document | {name: row[name] for name in ("name", "email", "username", "image_url")}
        if self._hoists_profiles:
            document |= {name: row[name] for name in ("name", "email", "username", "image_url")}
            document["user"] = {
                "id": row["user_id"],
                "object": "entity",
                "type": "user",
                "name": row["name"],
                "handle": row["email"],
            }
            return document | {"is_commission_eligible": bool(row["is_commission_eligible"])}
        document["user"] = _user(row) if "user" in self._included else None
        document["is_commission_eligible"] = bool(row["is_commission_eligible"])
        return document

    def _role(self, role_id: str | None) -> dict[str, Any] | None:
        included = ROLE_INCLUDES if self._april else ()
        return _render_once(
            self._roles, self._store, "roles", role_id, lambda row: role_view(row, included, april=self._april)
        )

    def _department(self, department_id: str | None) -> dict[str, Any] | None:
        included = DEPARTMENT_INCLUDES if self._april else ()
        return _render_once(
            self._departments,
            self._store,
            "departments",
            department_id,
            lambda row: department_view(row, included, april=self._april),
        )


def _render_once(
    rendered: dict[str, dict[str, Any] | None],
    store: Store,
    table: str,
    record_id: str | None,
    render: Callable[[Row], dict[str, Any]],
) -> dict[str, Any] | None:
    if record_id is None:
        return None
    if record_id not in rendered:
        rows = store.select(Select("*", table).where("id = ?", record_id))
        rendered[record_id] = render(rows[0]) if rows else None
    return rendered[record_id]


def _user(row: Row) -> dict[str, Any]:
    return {
        "id": row["user_id"],
        "object": "user",
        "email": row["email"],
        "name": row["name"],
        "username": row["username"],
        "email_verified_at": go_time(row["email_verified_at"]),
        "image_url": row["image_url"],
        "created_at": go_time(row["user_created_at"]),
        "updated_at": go_time(row["user_updated_at"]),
    }
