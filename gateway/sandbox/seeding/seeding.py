"""Stores a record that a test adds, in the tables of its source."""

import secrets
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from gateway.sandbox.account.department_seeds import department_rows
from gateway.sandbox.account.role_seeds import SCANNER
from gateway.sandbox.clock import SECOND
from gateway.sandbox.seeding.records import (
    AccountDepartment,
    AccountRole,
    AccountUser,
    ResellerOrganization,
    ResellerUser,
    SeedRecord,
    SoftwareOneUser,
)
from gateway.sandbox.softwareone.tables import TOKEN_ACTOR
from gateway.sandbox.store import Row, Store

__all__ = ["SeedError", "Seeding"]

_SEED_RECORD = msgspec.json.Decoder(SeedRecord)
# What is looked up by id or name
_BY_NAME = {
    "role": "SELECT id FROM roles WHERE NOT deleted AND (id = ?1 OR name = ?1) ORDER BY id = ?1 DESC",
    "department": "SELECT id FROM departments WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC",
    "organization": "SELECT id FROM organizations WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC",
    "account": "SELECT id FROM marketplace_accounts WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC",
}


class SeedError(ValueError):
    """The record cannot be stored; the message is a sentence that explains why."""


class Seeding:
    """Adds records to the tables of the three APIs, past their rules for requests."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._added = 0
        self._adders: Mapping[type[Any], Callable[[Any], str]] = {
            AccountUser: self._add_account_user,
            AccountRole: self._add_role,
            AccountDepartment: self._add_department,
            SoftwareOneUser: self._add_marketplace_user,
            ResellerUser: self._add_reseller_user,
            ResellerOrganization: self._add_organization,
        }

    def add_json(self, body: bytes) -> str:
        """Add a record from its JSON form, with its `kind`, and return its id. Raises SeedError."""
        try:
            record = _SEED_RECORD.decode(body)
        except msgspec.DecodeError as error:
            raise SeedError(f"This is no record for the sandbox: {error}.") from None
        return self.add(record)

    def add(self, record: SeedRecord) -> str:
        """Add a record, and return its id in the source. Raises SeedError."""
        self._added += 1
        adder = self._adders.get(type(record))
        if adder is None:
            names = ", ".join(kind.__name__ for kind in self._adders)
            raise SeedError(f"{type(record).__name__} cannot be added to the sandbox; use one of {names}.")
        try:
            msgspec.convert(
                msgspec.to_builtins(record), type(record)
            )  # a struct does not check what it is created with
            with self._store.transaction():
                return adder(record)
        except msgspec.ValidationError as error:
            raise SeedError(f"{type(record).__name__}: {error}.") from None
        except sqlite3.IntegrityError as error:
            column = str(error).rpartition(".")[2]
            raise SeedError(f"{type(record).__name__}: another record has the same {column}.") from None

    def _add_account_user(self, user: AccountUser) -> str:
        code = secrets.token_hex(6)
        created = self._instant(user.created_at)
        has_login = user.email is not None or user.username is not None
        profile = {
            "id": f"us_{code}",
            "email": user.email if has_login else self._new_email(),
            "name": user.name or self._new_name(),
            "username": user.username,
            "email_verified_at": _micros(user.email_verified_at),
            "image_url": None,
            "created_at": created,
            "updated_at": created,
        }
        role = self._find("role", user.role)
        if role is None and profile["email"] is None:
            role = SCANNER
        member = {
            "id": user.id or f"acus_{code}",
            "user_id": profile["id"],
            "status": user.status,
            "role_id": role,
            "department_id": self._find("department", user.department),
            "is_commission_eligible": user.is_commission_eligible,
            "last_used_at": _micros(user.last_used_at),
            "created_at": created,
            "updated_at": created,
        }
        self._store.insert("users", [profile])
        return self._insert("account_users", member)

    def _add_role(self, role: AccountRole) -> str:
        row = {
            "id": role.id or f"rl_{secrets.token_hex(6)}",
            "name": role.name or f"Role {self._added}",
            "type": role.type,
            "owner": role.owner,
            "permissions": orjson.dumps(role.permissions).decode(),
        }
        return self._insert("roles", row | self._times(role.created_at))

    def _add_department(self, department: AccountDepartment) -> str:
        row = {
            "id": department.id or f"dp_{secrets.token_hex(6)}",
            "name": department.name or f"Department {self._added}",
            "notes": department.notes,
            "location": department_rows()[0]["location"],
            "stations": "[]",
            "machines": "[]",
            "hourly_rate": department.hourly_rate,
        }
        return self._insert("departments", row | self._times(department.created_at))

    def _add_marketplace_user(self, user: SoftwareOneUser) -> str:
        created = self._instant(user.created_at)
        accepted = created if user.status in {"Active", "Blocked", "Disabled"} else None
        first, last = user.first_name or "Person", user.last_name or str(self._added)
        accounts = [self._find("account", account) for account in user.accounts]
        row = {
            "id": user.id or self._new_marketplace_id(),
            "revision": 1,
            "email": user.email or self._new_email(),
            "first_name": first,
            "last_name": last,
            "name": f"{first} {last}",
            "status": user.status,
            "phone_prefix": user.phone_prefix,
            "phone_number": user.phone_number,
            "culture_code": user.culture_code,
            "language_code": user.language_code,
            "last_login_at": _micros(user.last_login_at),
            "current_account_id": accounts[0] if accounts and accepted else None,
            "invitation_accepted_at": accepted,
            "created_at": created,
            "updated_at": None,
            "created_by": TOKEN_ACTOR,
            "updated_by": None,
        }
        membership = user.status if user.status in {"Invited", "InvitationExpired"} else "Active"
        members = [{"user_id": row["id"], "account_id": account, "status": membership} for account in accounts]
        self._insert("marketplace_users", row)
        self._store.insert("memberships", members)
        return str(row["id"])

    def _add_reseller_user(self, user: ResellerUser) -> str:
        first, last = user.first_name or "Person", str(self._added) if user.last_name is None else user.last_name
        row = {
            "id": user.id or str(uuid.uuid4()),
            "first_name": first,
            "last_name": last,
            "name": f"{first} {last}".strip(),
            "email": user.email or self._new_email(),
            "role": user.role,
            "company": user.company,
            "organization_id": self._find("organization", user.organization),
            "two_factor_enabled": user.two_factor_enabled,
            "google_sso_enabled": user.google_sso_enabled,
            "allow_customer_portal_access": user.allow_customer_portal_access,
            "last_login_at": _micros(user.last_login_at),
        }
        return self._insert("reseller_users", row | self._times(user.created_at))

    def _add_organization(self, organization: ResellerOrganization) -> str:
        row = {
            "id": organization.id or str(uuid.uuid4()),
            "name": organization.name or f"Organization {self._added}",
            "email": organization.email or self._new_email(),
            "description": organization.description,
            "allowed_users": organization.allowed_users,
            "city": organization.city,
            "country": organization.country,
        }
        return self._insert("organizations", row | self._times(organization.created_at))

    def _insert(self, table: str, row: Row) -> str:
        self._store.insert(table, [row])
        return str(row["id"])

    def _find(self, kind: str, id_or_name: str | None) -> str | None:
        if id_or_name is None:
            return None
        row = self._store.row(_BY_NAME[kind], id_or_name)
        if row is None:
            raise SeedError(f"There is no {kind} with the id or the name '{id_or_name}'.")
        return str(row["id"])

    def _instant(self, moment: datetime | None) -> int:
        return self._store.clock.now() if moment is None else _micros(moment)

    def _times(self, created: datetime | None) -> Row:
        instant = self._instant(created)
        return {"created_at": instant, "updated_at": instant}

    def _new_name(self) -> str:
        return f"Person {self._added}"

    def _new_email(self) -> str:
        return f"person.{self._added}@example.com"

    def _new_marketplace_id(self) -> str:
        row = self._store.row("SELECT max(id) AS newest FROM marketplace_users WHERE id LIKE 'USR-____-____'")
        number = int(str(row["newest"])[4:].replace("-", "")) + 1 if row and row["newest"] else 1
        return f"USR-{number // 10_000:04d}-{number % 10_000:04d}"


def _micros(moment: datetime | None) -> Any:
    """Return the microseconds since 1970; a moment without a time zone is UTC."""
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * SECOND + moment.microsecond
