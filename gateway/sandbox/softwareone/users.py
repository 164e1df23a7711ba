"""Marketplace users as rows and as JSON: get, list, block, unblock, delete."""

from typing import Any
from urllib.parse import unquote

import orjson

from gateway.sandbox.clock import millis_time, now
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.softwareone.problems import ProblemError
from gateway.sandbox.softwareone.rql_sql import condition, ordering
from gateway.sandbox.softwareone.rql_text import parse, split_query
from gateway.sandbox.softwareone.selection import RqlSelection
from gateway.sandbox.store import Row, Select, Store

__all__ = ["MarketplaceUsers"]

_TOKEN = orjson.dumps({"id": "TKN-0000-0001", "name": "Sandbox token"}).decode()
_HIGHEST_LIMIT = 100
_BLOCKABLE = {"Invited", "InvitationExpired", "Active", "Disabled"}


class MarketplaceUsers:
    """What may be done with the users of the marketplace, except changing their fields."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def row(self, key: str) -> Row:
        """The user with this id; 404 otherwise."""
        row = self._store.row("SELECT * FROM marketplace_users WHERE id = ?", key)
        if row is None:
            raise ProblemError(404, f"User with id '{key}' was not found.")
        return row

    def accounts(self, key: str) -> list[Row]:
        """The accounts that a user belongs to, with the `membership` status of each."""
        return self._store.rows(
            "SELECT a.*, m.status AS membership"
            " FROM memberships m JOIN marketplace_accounts a ON a.id = m.account_id"
            " WHERE m.user_id = ? ORDER BY a.id",
            [key],
        )

    def save(self, row: Row, changes: dict[str, Any]) -> None:
        """Store changed columns; the revision goes up."""
        stamp = {"revision": row["revision"] + 1, "updated_at": now(), "updated_by": _TOKEN}
        self._store.update("marketplace_users", row["id"], changes | stamp)

    def answer(self, key: str, selection: RqlSelection) -> SandboxResponse:
        """A single user."""
        document = selection.trim(self._document(self.row(key)))
        if selection.omitted:
            document["$meta"] = {"omitted": selection.omitted}
        return SandboxResponse.json(document)

    def get(self, call: SandboxRequest, key: str) -> SandboxResponse:
        """GET /accounts/users/{uniqueFilter}: by id, or a minimal payload by e-mail address."""
        if "@" in key:
            return self._minimal(key)
        selects = [piece[7:] for piece in call.query.split("&") if piece.startswith("select=")]
        return self.answer(key, RqlSelection(unquote(selects[-1]) if selects else None))

    def list(self, call: SandboxRequest) -> SandboxResponse:
        """GET /accounts/users with RQL."""
        options, filters = _options(call.query)
        selection = RqlSelection(options.get("select"))
        limit = min(_count(options, "limit", 10), _HIGHEST_LIMIT)
        offset = _count(options, "offset", 0)
        query = Select(
            "u.*", "marketplace_users u LEFT JOIN marketplace_accounts a ON a.id = u.current_account_id"
        ).where("u.status <> 'Deleted'")
        for text in filters:
            sql, values = condition(parse(text), audit=selection.audit)
            query.where(sql, *values)
        total = self._store.select(Select("count(*) AS total", query.source, query.conditions, query.values))
        query.order = ordering(options["order"], audit=selection.audit) if options.get("order") else "u.id ASC"
        query.limit, query.offset = limit, offset
        rows = self._store.select(query) if limit else []
        meta: dict[str, Any] = {"pagination": {"offset": offset, "limit": limit, "total": total[0]["total"]}}
        if selection.omitted:
            meta["omitted"] = selection.omitted
        return SandboxResponse.json({"$meta": meta, "data": [selection.trim(self._document(row)) for row in rows]})

    def list_accounts(self, key: str) -> SandboxResponse:
        """GET /accounts/users/{id}/accounts."""
        self.row(key)
        data = [_account(account) for account in self.accounts(key)]
        pagination = {"offset": 0, "limit": 10, "total": len(data)}
        return SandboxResponse.json({"$meta": {"pagination": pagination}, "data": data})

    def block(self, key: str) -> SandboxResponse:
        """POST …/block."""
        row = self.row(key)
        if row["status"] not in _BLOCKABLE:
            raise ProblemError(400, f"User '{key}' cannot be blocked from status {row['status']}.")
        self.save(row, {"status": "Blocked"})
        return self.answer(key, RqlSelection(None))

    def unblock(self, key: str) -> SandboxResponse:
        """POST …/unblock: the status is what the memberships make it."""
        row = self.row(key)
        if row["status"] != "Blocked":
            raise ProblemError(400, f"User '{key}' is not blocked.")
        memberships = {account["membership"] for account in self.accounts(key)}
        status = next((word for word in ("Active", "Invited", "InvitationExpired") if word in memberships), "Disabled")
        self.save(row, {"status": status})
        return self.answer(key, RqlSelection(None))

    def delete(self, key: str) -> SandboxResponse:
        """DELETE: only a disabled user, and softly."""
        row = self.row(key)
        if row["status"] != "Disabled":
            raise ProblemError(400, f"User '{key}' can only be deleted when it is Disabled.")
        self.save(row, {"status": "Deleted"})
        return SandboxResponse(204)

    def _minimal(self, email: str) -> SandboxResponse:
        row = self._store.row("SELECT * FROM marketplace_users WHERE email = ? ORDER BY id", email)
        if row is None:
            raise ProblemError(404, f"User with email '{email}' was not found.")
        document = {"id": row["id"], "email": row["email"], "status": row["status"]}
        if row["invitation_accepted_at"] is not None:
            document["audit"] = {"invitationAcceptedAt": millis_time(row["invitation_accepted_at"])}
        return SandboxResponse.json(document)

    def _document(self, row: Row) -> dict[str, Any]:
        accounts = self.accounts(row["id"])
        current = next((account for account in accounts if account["id"] == row["current_account_id"]), None)
        phone = _present(prefix=row["phone_prefix"], number=row["phone_number"])
        settings = _present(cultureCode=row["culture_code"], languageCode=row["language_code"])
        return {
            "id": row["id"],
            "revision": row["revision"],
            "name": row["name"],
            "icon": f"/v1/accounts/users/{row['id']}/icon",
            "email": row["email"],
            "status": row["status"],
            "firstName": row["first_name"],
            "lastName": row["last_name"],
            "phone": phone or None,
            "lastLoginAt": _time(row["last_login_at"]),
            "settings": settings or None,
            "accounts": [_account(account) for account in accounts],
            "currentAccount": _account(current) if current else None,
            "audit": _present(
                created=_event(row["created_at"], row["created_by"]),
                updated=_event(row["updated_at"], row["updated_by"]),
                invitationAcceptedAt=_time(row["invitation_accepted_at"]),
            ),
        }


def _options(query: str) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    filters = []
    for piece in split_query(query):
        name, equals, value = piece.partition("=")
        if equals and name in {"limit", "offset", "order", "select"}:
            options[name] = unquote(value)
        else:
            filters.append(piece)
    return options, filters


def _count(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 (an int32)
        raise ProblemError(400, f"The value '{text}' is not valid for {name}.", {name: ["The value is not valid."]})
    return int(text)


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _time(at: int | None) -> str | None:
    return None if at is None else millis_time(at)


def _event(at: int, by: str) -> dict[str, Any]:
    actor = orjson.loads(by)
    kind = "users" if actor["id"].startswith("USR-") else "api-tokens"
    return {"at": millis_time(at), "by": actor | {"icon": f"/v1/accounts/{kind}/{actor['id']}/icon"}}


def _account(row: Row) -> dict[str, Any]:
    icon = f"/v1/accounts/accounts/{row['id']}/icon"
    return {name: row[name] for name in ("id", "type", "status", "name")} | {"icon": icon}
