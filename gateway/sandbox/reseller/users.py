"""The endpoints of reseller users and organizations."""

import uuid
from typing import Any

from gateway.sandbox.clock import ticks_time
from gateway.sandbox.credentials import RESELLER_ID
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.reseller.changes import parse_body, to_columns
from gateway.sandbox.reseller.errors import RefusalError
from gateway.sandbox.reseller.events import user_event
from gateway.sandbox.reseller.listing import ResellerListing
from gateway.sandbox.store import Row, Store

__all__ = ["ResellerEndpoints"]

_USERS = ResellerListing(
    table="reseller_users t",
    text_columns={
        "id": "t.id",
        "name": "t.name",
        "firstName": "t.first_name",
        "lastName": "t.last_name",
        "email": "t.email",
        "role": "t.role",
        "company": "t.company",
        "organizationId": "t.organization_id",
    },
    time_columns={
        "createdAt": "t.created_at",
        "updatedAt": "t.updated_at",
        "lastSeenAt": "t.last_login_at",
        "lastLoginAt": "t.last_login_at",
    },
    search_columns=("t.name", "t.email", "t.company"),
)
_ORGANIZATIONS = ResellerListing(
    table="organizations t",
    text_columns={"id": "t.id", "name": "t.name", "email": "t.email", "resellerId": f"'{RESELLER_ID}'"},
    time_columns={"createdAt": "t.created_at", "updatedAt": "t.updated_at"},
    search_columns=("t.name", "t.email"),
)


class ResellerEndpoints:
    """Executes the operations of each path on a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_users(self, request: SandboxRequest, _: str) -> SandboxResponse:
        """GET …/users: return an array without an envelope."""
        return SandboxResponse.json(_USERS.page(self._store, request.query, self._user))

    def get_user(self, _: SandboxRequest, record_id: str) -> SandboxResponse:
        """GET …/users/{id}."""
        return SandboxResponse.json(self._user(self._row(record_id)))

    def create_user(self, request: SandboxRequest, _: str) -> SandboxResponse:
        """POST …/users."""
        fields = parse_body(request, create=True)
        if self._is_email_in_use(fields["email"], None):
            raise RefusalError(409, "A user with this email already exists.", "EMAIL_ALREADY_EXISTS")
        columns = {"last_name": "", "company": None, "organization_id": None} | to_columns(fields)
        self._check_organization(columns)
        instant, record_id = self._store.clock.now(), str(uuid.uuid4())
        row = columns | {
            "id": record_id,
            "name": _full_name(columns),
            "two_factor_enabled": False,
            "google_sso_enabled": False,
            "created_at": instant,
            "updated_at": instant,
        }
        self._store.insert("reseller_users", [row])
        user = self._user(self._row(record_id))
        response = SandboxResponse.json(user, 201)
        response.event = user_event("created", user, self._store.clock.now())
        return response

    def update_user(self, request: SandboxRequest, record_id: str) -> SandboxResponse:
        """PATCH …/users/{id}: absent fields stay as they are."""
        fields = parse_body(request, create=False)
        row = self._row(record_id)
        columns = to_columns(fields)
        # An e-mail address in use is a 400: the documented statuses of this PATCH do not include 409.
        if "email" in columns and self._is_email_in_use(columns["email"], record_id):
            raise RefusalError(400, "A user with this email already exists.", "EMAIL_ALREADY_EXISTS")
        self._check_organization(columns)
        columns |= {"name": _full_name(row | columns), "updated_at": self._store.clock.now()}
        self._store.update("reseller_users", record_id, columns)
        user = self._user(self._row(record_id))
        response = SandboxResponse.json(user)
        response.event = user_event("updated", user, self._store.clock.now())
        return response

    def delete_user(self, _: SandboxRequest, record_id: str) -> SandboxResponse:
        """DELETE …/users/{id}: the deletion is permanent."""
        user = self._user(self._row(record_id))
        self._store.execute("DELETE FROM reseller_users WHERE id = ?", record_id)
        return SandboxResponse(204, event=user_event("deleted", user, self._store.clock.now()))

    def list_organizations(self, request: SandboxRequest, _: str) -> SandboxResponse:
        """GET …/organizations: return an array without an envelope."""
        return SandboxResponse.json(_ORGANIZATIONS.page(self._store, request.query, _organization))

    def get_organization(self, _: SandboxRequest, record_id: str) -> SandboxResponse:
        """GET …/organizations/{id}."""
        row = self._store.row("SELECT * FROM organizations WHERE id = ?", record_id)
        if row is None:
            raise _not_found("organization")
        return SandboxResponse.json(_organization(row))

    def stored_user(self, record_id: str) -> Row | None:
        """Return the user as stored, with the fields that the API never returns; None for an unknown id."""
        return self._store.row("SELECT * FROM reseller_users WHERE id = ?", record_id)

    def _row(self, record_id: str) -> Row:
        row = self.stored_user(record_id)
        if row is None:
            raise _not_found("user")
        return row

    def _is_email_in_use(self, email: str, user_id: str | None) -> bool:
        row = self._store.row("SELECT id FROM reseller_users WHERE email = ?", email)
        return row is not None and row["id"] != user_id

    def _check_organization(self, columns: dict[str, Any]) -> None:
        organization_id = columns.get("organization_id")
        if organization_id is None:
            return
        if self._store.row("SELECT id FROM organizations WHERE id = ?", organization_id) is None:
            raise RefusalError(400, "The organization does not exist.", "ORGANIZATION_NOT_FOUND")

    def _user(self, row: Row) -> dict[str, Any]:
        # allowCustomerPortalAccess is write-only on this endpoint (docs/upstreams/reseller.md, "Fields").
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


def _full_name(row: Row) -> str:
    return f"{row['first_name']} {row['last_name']}".strip()


def _not_found(kind: str) -> RefusalError:
    return RefusalError(404, f"The {kind} with the specified id does not exist.", f"{kind.upper()}_NOT_FOUND")
