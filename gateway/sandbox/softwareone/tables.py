"""The tables of the softwareone API and the users that they are seeded with."""

from typing import Any

import orjson

from gateway.sandbox.clock import SECOND
from gateway.sandbox.people import LANDMARKS, SeededPerson, created_at, generate_people
from gateway.sandbox.store import Row, Store

__all__ = ["SCHEMA", "TOKEN_ACTOR", "seed"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS marketplace_accounts (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS marketplace_users (
  id TEXT PRIMARY KEY, revision INTEGER NOT NULL, email TEXT NOT NULL COLLATE NOCASE,
  first_name TEXT NOT NULL, last_name TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
  phone_prefix TEXT, phone_number TEXT, culture_code TEXT, language_code TEXT,
  last_login_at INTEGER, current_account_id TEXT, invitation_accepted_at INTEGER,
  created_at INTEGER NOT NULL, updated_at INTEGER, created_by TEXT NOT NULL, updated_by TEXT
);
CREATE INDEX IF NOT EXISTS marketplace_users_created ON marketplace_users (created_at, id);
CREATE INDEX IF NOT EXISTS marketplace_users_email ON marketplace_users (email);
CREATE TABLE IF NOT EXISTS memberships (
  user_id TEXT NOT NULL, account_id TEXT NOT NULL, status TEXT NOT NULL,
  PRIMARY KEY (user_id, account_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS icons (
  user_id TEXT PRIMARY KEY, content_type TEXT NOT NULL, content BLOB NOT NULL
);
"""

_DAY = 86_400 * SECOND
TOKEN_ACTOR = orjson.dumps({"id": "TKN-0000-0001", "name": "Sandbox token"}).decode()
_ADMIN = orjson.dumps({"id": "USR-0000-0001", "name": "Ada Lovelace"}).decode()
_ACCOUNTS = (
    ("ACC-0000-0001", "Lovelace Looms", "Client", "Active"),
    ("ACC-0000-0002", "Nordic Yarn", "Client", "Active"),
    ("ACC-0000-0003", "Software Vendor", "Vendor", "Active"),
    ("ACC-0000-0004", "Marketplace Operations", "Operations", "Enabled"),
)
# nickname, first name, last name, status, phone number
_LANDMARKS = (
    ("ada", "Ada", "Lovelace", "Active", "2079460000"),
    ("grace", "Grace", "Hopper", "Active", "2025550100"),
    ("invited", "Katherine", "Johnson", "Invited", None),
    ("blocked", "Alan", "Turing", "Blocked", "1632960000"),
    ("disabled", "Barbara", "Liskov", "Disabled", None),
)
_STATUSES = (
    "Active",
    "Active",
    "Active",
    "Invited",
    "Active",
    "Active",
    "InvitationExpired",
    "Active",
    "Blocked",
)


def seed(store: Store, users: int) -> None:
    """Fill the tables with four accounts and `users` users."""
    names = ("id", "name", "type", "status")
    store.insert("marketplace_accounts", [dict(zip(names, row, strict=True)) for row in _ACCOUNTS])
    rows: list[Row] = []
    members: list[Row] = []
    for number, (nickname, first, last, status, phone) in enumerate(_LANDMARKS):
        user_id = LANDMARKS["softwareone"][nickname]
        email = f"{first}.{last}@example.com".lower()
        accounts = {"ada": ["ACC-0000-0001", "ACC-0000-0002"], "disabled": []}.get(nickname, ["ACC-0000-0001"])
        person = SeededPerson(number, first, last, email, created_at("softwareone", number, users))
        rows.append(_user(user_id, person, status, phone, accounts))
        members.extend(_members(user_id, status, accounts))
    for person in generate_people("softwareone", len(_LANDMARKS), users):
        number = person.number
        user_id = f"USR-{1 + number // 10_000:04d}-{number % 10_000:04d}"
        status = _STATUSES[number % len(_STATUSES)]
        accounts = [_ACCOUNTS[number % len(_ACCOUNTS)][0]]
        phone = f"66{number:07d}" if number % 3 else None
        rows.append(_user(user_id, person, status, phone, accounts))
        members.extend(_members(user_id, status, accounts))
    store.insert("marketplace_users", rows)
    store.insert("memberships", members)


def _user(user_id: str, person: SeededPerson, status: str, phone: str | None, accounts: list[str]) -> dict[str, Any]:
    accepted = status in {"Active", "Blocked", "Disabled"}
    created = person.created
    return {
        "id": user_id,
        "revision": 1,
        "email": person.email,
        "first_name": person.first,
        "last_name": person.last,
        "name": person.name,
        "status": status,
        "phone_prefix": "+34" if phone else None,
        "phone_number": phone,
        "culture_code": "en-US",
        "language_code": "en-US",
        "last_login_at": created + 20 * _DAY if accepted else None,
        "current_account_id": accounts[0] if accounts and accepted else None,
        "invitation_accepted_at": created + _DAY if accepted else None,
        "created_at": created,
        "updated_at": created + _DAY if accepted else None,  # an invited user was never changed
        "created_by": TOKEN_ACTOR,
        "updated_by": _ADMIN if accepted else None,
    }


def _members(user_id: str, status: str, accounts: list[str]) -> list[Row]:
    membership = status if status in {"Invited", "InvitationExpired"} else "Active"
    return [{"user_id": user_id, "account_id": account, "status": membership} for account in accounts]
