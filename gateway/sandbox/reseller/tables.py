"""The tables of the reseller API and the users that they are seeded with."""

import uuid
from typing import Any

from gateway.sandbox.clock import SECOND
from gateway.sandbox.people import LANDMARKS, SeededPerson, created_at, generate_people
from gateway.sandbox.store import Row, Store

__all__ = ["SCHEMA", "seed"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS organizations (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, description TEXT,
  allowed_users INTEGER NOT NULL, city TEXT, country TEXT,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS reseller_users (
  id TEXT PRIMARY KEY, first_name TEXT NOT NULL, last_name TEXT NOT NULL, name TEXT NOT NULL,
  email TEXT NOT NULL COLLATE NOCASE UNIQUE, role TEXT NOT NULL, company TEXT, organization_id TEXT,
  two_factor_enabled INTEGER NOT NULL, google_sso_enabled INTEGER NOT NULL,
  allow_customer_portal_access INTEGER NOT NULL, last_login_at INTEGER,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS reseller_users_created ON reseller_users (created_at, id);
"""

_DAY = 86_400 * SECOND
_NAMESPACE = uuid.UUID("5a4db0c5-0000-4000-8000-000000000000")
_ORGANIZATIONS = (
    ("Lovelace Looms", "Rotterdam", "NL"),
    ("Nordic Yarn", "Oslo", "NO"),
    ("Lanas del Sur", "Sevilla", "ES"),
)
# nickname, first name, last name, role, organization (index in the list above)
_LANDMARKS = (
    ("ada", "Ada", "Lovelace", "user", 0),
    ("withoutOrganization", "Hedy", "Lamarr", "user", None),
    ("organizationAdmin", "Radia", "Perlman", "organization-admin", 1),
)
_ROLES = ("user", "user", "user", "organization-admin", "user", "reseller-admin")


def seed(store: Store, users: int) -> None:
    """Fill the tables with three organizations and `users` users."""
    organizations = [_organization(index, *row) for index, row in enumerate(_ORGANIZATIONS)]
    store.insert("organizations", organizations)
    organization_ids = [organization["id"] for organization in organizations]
    rows: list[Row] = []
    for number, (nickname, first, last, role, index) in enumerate(_LANDMARKS):
        user_id = LANDMARKS["reseller"][nickname]
        email = f"{first}.{last}@example.com".lower()
        organization = None if index is None else organization_ids[index]
        person = SeededPerson(number, first, last, email, created_at("reseller", number, users))
        rows.append(_user(user_id, person, role, organization))
    for person in generate_people("reseller", len(_LANDMARKS), users):
        user_id = str(uuid.uuid5(_NAMESPACE, f"user {person.number}"))
        organization = organization_ids[person.number % len(organization_ids)] if person.number % 7 else None
        rows.append(_user(user_id, person, _ROLES[person.number % len(_ROLES)], organization))
    store.insert("reseller_users", rows)


def _organization(index: int, name: str, city: str, country: str) -> dict[str, Any]:
    created = created_at("reseller", 0, 1) - (index + 1) * _DAY
    return {
        "id": str(uuid.uuid5(_NAMESPACE, f"organization {index}")),
        "name": name,
        "email": f"office{index + 1}@example.com",
        "description": None if index else "The first customer.",
        "allowed_users": -1 if index == 0 else 5_000,
        "city": city,
        "country": country,
        "created_at": created,
        "updated_at": created,
    }


def _user(user_id: str, person: SeededPerson, role: str, organization: str | None) -> dict[str, Any]:
    number, created = person.number, person.created
    return {
        "id": user_id,
        "first_name": person.first,
        "last_name": person.last,
        "name": person.name,
        "email": person.email,
        "role": role,
        "company": f"{person.last} & Co" if number % 3 == 0 else None,
        "organization_id": organization,
        "two_factor_enabled": number % 4 == 0,
        "google_sso_enabled": number % 5 == 0,
        "allow_customer_portal_access": number % 2 == 0,
        "last_login_at": created + 10 * _DAY + 123_456 if number % 3 else None,
        "created_at": created,
        "updated_at": created,
    }
