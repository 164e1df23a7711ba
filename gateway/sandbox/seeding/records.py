"""The records that can be added to the sandbox. Every field has a default."""

from datetime import datetime
from typing import Literal

import msgspec

__all__ = [
    "AccountDepartment",
    "AccountRole",
    "AccountUser",
    "ResellerOrganization",
    "ResellerUser",
    "SeedRecord",
    "SoftwareOneUser",
]


class AccountUser(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="account_user"
):
    """A user of the account source.

    Without a name and an e-mail address, the user gets new ones; with a `username` alone there is no e-mail address, as
    for a scanning station. `role` and `department` are ids or names. `id` is the id in the source; None: a new one.
    `created_at` is now if it is None, like that of all records.
    """

    name: str | None = None
    email: str | None = None
    username: str | None = None
    status: Literal["active", "disabled", "removed"] = "active"
    role: str | None = None
    department: str | None = None
    is_commission_eligible: bool = False
    email_verified_at: datetime | None = None
    last_used_at: datetime | None = None
    created_at: datetime | None = None
    id: str | None = None


class AccountRole(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="account_role"
):
    """A role of the account source. A permission is written as `departments:read`."""

    name: str | None = None
    type: Literal["admin", "user", "scanner", "sales_rep", "agent"] = "user"
    owner: Literal["account", "system"] = "account"
    permissions: tuple[str, ...] = ()
    created_at: datetime | None = None
    id: str | None = None


class AccountDepartment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="account_department"
):
    """A department of the account source, without machines and stations, in the first location of the sandbox.

    `hourly_rate` is a decimal number, for example `24.50`.
    """

    name: str | None = None
    notes: str | None = None
    hourly_rate: str | None = None
    created_at: datetime | None = None
    id: str | None = None


class SoftwareOneUser(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="softwareone_user"
):
    """A user of the marketplace. `accounts` are ids of accounts, the first one is the current one."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    status: Literal["Active", "Invited", "InvitationExpired", "Blocked", "Disabled"] = "Active"
    phone_prefix: str | None = None
    phone_number: str | None = None
    culture_code: str | None = "en-US"
    language_code: str | None = "en-US"
    accounts: tuple[str, ...] = ("ACC-0000-0001",)
    last_login_at: datetime | None = None
    created_at: datetime | None = None
    id: str | None = None


class ResellerUser(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="reseller_user"
):
    """A user of the reseller. `organization` is an id or a name."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    role: str = "user"
    company: str | None = None
    organization: str | None = None
    two_factor_enabled: bool = False
    google_sso_enabled: bool = False
    allow_customer_portal_access: bool = False
    last_login_at: datetime | None = None
    created_at: datetime | None = None
    id: str | None = None


class ResellerOrganization(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="reseller_organization"
):
    """An organization of the reseller; `allowed_users` -1 means any number."""

    name: str | None = None
    email: str | None = None
    description: str | None = None
    allowed_users: int = -1
    city: str | None = None
    country: str | None = None
    created_at: datetime | None = None
    id: str | None = None


SeedRecord = AccountUser | AccountRole | AccountDepartment | SoftwareOneUser | ResellerUser | ResellerOrganization
"""A record that can be added to the sandbox."""
