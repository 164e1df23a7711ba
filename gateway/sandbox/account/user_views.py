"""Account users as JSON: the profile nested today, flat in April."""

from collections.abc import Callable, Collection
from typing import Any

from gateway.sandbox.account.department_views import DEPARTMENT_INCLUDES, department_view
from gateway.sandbox.account.role_views import ROLE_INCLUDES, role_view
from gateway.sandbox.clock import go_time
from gateway.sandbox.store import Row, Select, Store

__all__ = ["UserWriter", "account_users"]


def account_users() -> Select:
    """All account users with their profiles; the aliases are `au` and `u`."""
    return Select(
        columns=(
            "au.*, u.email, u.name, u.username, u.email_verified_at, u.image_url,"
            " u.created_at AS user_created_at, u.updated_at AS user_updated_at"
        ),
        # CROSS keeps SQLite from walking the profiles first: the order comes from account_users.
        source="account_users au CROSS JOIN users u ON u.id = au.user_id",
    )


class UserWriter:
    """Writes account users of one answer; looks each role and department up once.

    Nested `role.owner`, `role.permissions` and the sub-objects of `department` are null today and
    filled in April's form (account.md, section 5).
    """

    def __init__(self, store: Store, included: Collection[str], *, april: bool) -> None:
        self._store = store
        self._included = included
        self._april = april
        self._roles: dict[str, dict[str, Any] | None] = {}
        self._departments: dict[str, dict[str, Any] | None] = {}

    def __call__(self, row: Row) -> dict[str, Any]:
        """The document of a row of `account_users()`."""
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
        document["user"] = _user(row) if "user" in self._included else None
        document["is_commission_eligible"] = bool(row["is_commission_eligible"])
        return document

    def _role(self, key: str | None) -> dict[str, Any] | None:
        included = ROLE_INCLUDES if self._april else ()
        return _once(self._roles, self._store, "roles", key, lambda row: role_view(row, included, april=self._april))

    def _department(self, key: str | None) -> dict[str, Any] | None:
        included = DEPARTMENT_INCLUDES if self._april else ()
        return _once(
            self._departments,
            self._store,
            "departments",
            key,
            lambda row: department_view(row, included, april=self._april),
        )


def _once(
    seen: dict[str, dict[str, Any] | None],
    store: Store,
    table: str,
    key: str | None,
    write: Callable[[Row], dict[str, Any]],
) -> dict[str, Any] | None:
    if key is None:
        return None
    if key not in seen:
        rows = store.select(Select("*", table).where("id = ?", key))
        seen[key] = write(rows[0]) if rows else None
    return seen[key]


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
