"""Reseller users and organizations: every endpoint."""

import uuid
from typing import Any

from gateway.sandbox.clock import now, ticks_time
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.reseller.changes import columns_of, read
from gateway.sandbox.reseller.errors import RefusalError
from gateway.sandbox.reseller.events import user_event
from gateway.sandbox.reseller.listing import ResellerListing
from gateway.sandbox.store import Row, Store

__all__ = ["Endpoints"]

_USERS = ResellerListing(
    source="reseller_users t",
    texts={
        "id": "t.id",
        "name": "t.name",
        "firstName": "t.first_name",
        "lastName": "t.last_name",
        "email": "t.email",
        "role": "t.role",
        "company": "t.company",
        "organizationId": "t.organization_id",
    },
    times={
        "createdAt": "t.created_at",
        "updatedAt": "t.updated_at",
        "lastSeenAt": "t.last_login_at",
        "lastLoginAt": "t.last_login_at",
    },
    searched=("t.name", "t.email", "t.company"),
)
_ORGANIZATIONS = ResellerListing(
    source="organizations t",
    texts={"id": "t.id", "name": "t.name", "email": "t.email"},
    times={"createdAt": "t.created_at", "updatedAt": "t.updated_at"},
    searched=("t.name", "t.email"),
)


class Endpoints:
    """What each path does, over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_users(self, call: SandboxRequest, _: str) -> SandboxResponse:
        """GET …/users: a bare array."""
        return SandboxResponse.json(_USERS.documents(self._store, call.query, self._user))

    def get_user(self, _: SandboxRequest, key: str) -> SandboxResponse:
        """GET …/users/{id}."""
        return SandboxResponse.json(self._user(self._row(key)))

    def create_user(self, call: SandboxRequest, _: str) -> SandboxResponse:
        """POST …/users."""
        fields = read(call.body, create=True)
        if self._taken(fields["email"], None):
            raise RefusalError(409, "A user with this email already exists.", "EMAIL_ALREADY_EXISTS")
        columns = {"last_name": "", "company": None, "organization_id": None} | columns_of(fields)
        self._check_organization(columns)
        instant, key = now(), str(uuid.uuid4())
        row = columns | {
            "id": key,
            "name": _name(columns),
            "two_factor_enabled": False,
            "google_sso_enabled": False,
            "created_at": instant,
            "updated_at": instant,
        }
        self._store.insert("reseller_users", [row])
        user = self._user(self._row(key))
        answer = SandboxResponse.json(user, 201)
        answer.event = user_event("created", user)
        return answer

    def update_user(self, call: SandboxRequest, key: str) -> SandboxResponse:
        """PATCH …/users/{id}: what is absent stays."""
        fields = read(call.body, create=False)
        row = self._row(key)
        columns = columns_of(fields)
        # A taken address is a 400: the documented statuses of this PATCH have no 409.
        if "email" in columns and self._taken(columns["email"], key):
            raise RefusalError(400, "A user with this email already exists.", "EMAIL_ALREADY_EXISTS")
        self._check_organization(columns)
        columns |= {"name": _name(row | columns), "updated_at": now()}
        self._store.update("reseller_users", key, columns)
        user = self._user(self._row(key))
        answer = SandboxResponse.json(user)
        answer.event = user_event("updated", user)
        return answer

    def delete_user(self, _: SandboxRequest, key: str) -> SandboxResponse:
        """DELETE …/users/{id}: for good."""
        user = self._user(self._row(key))
        self._store.run("DELETE FROM reseller_users WHERE id = ?", key)
        return SandboxResponse(204, event=user_event("deleted", user))

    def list_organizations(self, call: SandboxRequest, _: str) -> SandboxResponse:
        """GET …/organizations: a bare array."""
        return SandboxResponse.json(_ORGANIZATIONS.documents(self._store, call.query, _organization))

    def get_organization(self, _: SandboxRequest, key: str) -> SandboxResponse:
        """GET …/organizations/{id}."""
        row = self._store.row("SELECT * FROM organizations WHERE id = ?", key)
        if row is None:
            raise _unknown("organization")
        return SandboxResponse.json(_organization(row))

    def record(self, key: str) -> Row | None:
        """The user as stored, with what the API keeps to itself."""
        return self._store.row("SELECT * FROM reseller_users WHERE id = ?", key)

    def _row(self, key: str) -> Row:
        row = self.record(key)
        if row is None:
            raise _unknown("user")
        return row

    def _taken(self, email: str, owner: str | None) -> bool:
        row = self._store.row("SELECT id FROM reseller_users WHERE email = ?", email)
        return row is not None and row["id"] != owner

    def _check_organization(self, columns: dict[str, Any]) -> None:
        key = columns.get("organization_id")
        if key is not None and self._store.row("SELECT id FROM organizations WHERE id = ?", key) is None:
            raise RefusalError(400, "The organization does not exist.", "ORGANIZATION_NOT_FOUND")

    def _user(self, row: Row) -> dict[str, Any]:
        # allowCustomerPortalAccess is write-only on this endpoint (section 2).
        organization = self._store.row("SELECT * FROM organizations WHERE id = ?", row["organization_id"])
        return {
            "id": row["id"],
            "createdAt": ticks_time(row["created_at"]),
            "updatedAt": ticks_time(row["updated_at"]),
            "name": row["name"],
            "firstName": row["first_name"],
            "lastName": row["last_name"],
            "email": row["email"],
            "role": row["role"],
            "twoFactorEnabled": bool(row["two_factor_enabled"]),
            "googleSsoEnabled": bool(row["google_sso_enabled"]),
            "lastLoginAt": ticks_time(row["last_login_at"]),
            "organizationId": row["organization_id"],
            "organization": _organization(organization) if organization else None,
            "company": row["company"],
        }


def _organization(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "createdAt": ticks_time(row["created_at"]),
        "updatedAt": ticks_time(row["updated_at"]),
        "name": row["name"],
        "email": row["email"],
        "description": row["description"],
        "allowedUsers": row["allowed_users"],
        "address": {
            "addressLine1": "1 Main Street",
            "addressLine2": None,
            "city": row["city"],
            "state": None,
            "country": row["country"],
            "postalCode": None,
        },
    }


def _name(row: Row) -> str:
    return f"{row['first_name']} {row['last_name']}".strip()


def _unknown(what: str) -> RefusalError:
    return RefusalError(404, f"The {what} with the specified id does not exist.", f"{what.upper()}_NOT_FOUND")
