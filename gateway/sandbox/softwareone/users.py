"""Endpoints of marketplace users: get, list, block, unblock and delete."""

from typing import Any

import orjson

from gateway.sandbox.clock import millis_time
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.softwareone.problems import ProblemError
from gateway.sandbox.softwareone.rql_sql import condition, ordering
from gateway.sandbox.softwareone.rql_text import parse, parse_query
from gateway.sandbox.softwareone.selection import RqlSelection
from gateway.sandbox.softwareone.tables import TOKEN_ACTOR
from gateway.sandbox.store import Row, Select, Store

__all__ = ["MarketplaceUsers"]

_MAX_LIMIT = 100
_BLOCKABLE = {"Invited", "InvitationExpired", "Active", "Disabled"}


class MarketplaceUsers:
    """Reads and stores the users of the marketplace, and executes all operations but the change of fields."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def row(self, user_id: str) -> Row:
        """Return the row of a user. Raises ProblemError (404) for an unknown id."""
        row = self._store.row("SELECT * FROM marketplace_users WHERE id = ?", user_id)
        if row is None:
            raise ProblemError(404, f"User with id '{user_id}' was not found.")
        return row

    def accounts(self, user_id: str) -> list[Row]:
        """Return the accounts of a user, each with the status of the `membership`."""
        return self._store.rows(
            "SELECT a.*, m.status AS membership"
            " FROM memberships m JOIN marketplace_accounts a ON a.id = m.account_id"
            " WHERE m.user_id = ? ORDER BY a.id",
            [user_id],
        )

    def save(self, row: Row, changes: dict[str, Any]) -> None:
        """Store changed columns and increment the revision."""
        audit = {"revision": row["revision"] + 1, "updated_at": self._store.clock.now(), "updated_by": TOKEN_ACTOR}
        self._store.update("marketplace_users", row["id"], changes | audit)

    def user_response(self, user_id: str, selection: RqlSelection) -> SandboxResponse:
        """Return the response with one user."""
        document = selection.trim(self._user_json(self.row(user_id)))
        if selection.omitted:
            document["$meta"] = {"omitted": selection.omitted}
        return SandboxResponse.json(document)

    def get(self, request: SandboxRequest, id_or_email: str) -> SandboxResponse:
        """GET /accounts/users/{uniqueFilter}: by id, or with few fields by e-mail address."""
        if "@" in id_or_email:
            return self._minimal_response(id_or_email)
        options, _ = parse_query(request.query)
        return self.user_response(id_or_email, RqlSelection(options.get("select")))

    def list(self, request: SandboxRequest) -> SandboxResponse:
        """GET /accounts/users with RQL."""
        options, rql = parse_query(request.query)
        selection = RqlSelection(options.get("select"))
        limit = min(_integer_option(options, "limit", 10), _MAX_LIMIT)
        offset = _integer_option(options, "offset", 0)
        query = Select(
            "u.*", "marketplace_users u LEFT JOIN marketplace_accounts a ON a.id = u.current_account_id"
        ).where("u.status <> 'Deleted'")
        if rql:
            sql, values = condition(parse(rql), audit=selection.audit)
            query.where(sql, *values)
        total = self._store.select(Select("count(*) AS total", query.from_clause, query.conditions, query.values))
        query.order = ordering(options["order"], audit=selection.audit) if options.get("order") else "u.id ASC"
        query.limit, query.offset = limit, offset
        rows = self._store.select(query) if limit else []
        meta: dict[str, Any] = {"pagination": {"offset": offset, "limit": limit, "total": total[0]["total"]}}
        if selection.omitted:
            meta["omitted"] = selection.omitted
        return SandboxResponse.json({"$meta": meta, "data": [selection.trim(self._user_json(row)) for row in rows]})

    def list_accounts(self, user_id: str) -> SandboxResponse:
        """GET /accounts/users/{id}/accounts."""
        self.row(user_id)
        data = [_account(account) for account in self.accounts(user_id)]
        pagination = {"offset": 0, "limit": 10, "total": len(data)}
        return SandboxResponse.json({"$meta": {"pagination": pagination}, "data": data})

    def block(self, user_id: str) -> SandboxResponse:
        """POST …/block."""
        row = self.row(user_id)
        if row["status"] not in _BLOCKABLE:
            raise ProblemError(400, f"User '{user_id}' cannot be blocked from status {row['status']}.")
        self.save(row, {"status": "Blocked"})
        return self.user_response(user_id, RqlSelection(None))

    def unblock(self, user_id: str) -> SandboxResponse:
        """POST …/unblock: the new status follows from the memberships."""
        row = self.row(user_id)
        if row["status"] != "Blocked":
            raise ProblemError(400, f"User '{user_id}' is not blocked.")
        memberships = {account["membership"] for account in self.accounts(user_id)}
        status = next(
            (value for value in ("Active", "Invited", "InvitationExpired") if value in memberships), "Disabled"
        )
        self.save(row, {"status": status})
        return self.user_response(user_id, RqlSelection(None))

    def set_password(self, request: SandboxRequest, user_id: str) -> SandboxResponse:
        """POST …/set-password: the password is checked, and not stored."""
        self.row(user_id)
        try:
            document = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            document = None
        password = document.get("password") if isinstance(document, dict) else None
        if not isinstance(password, str) or not password:
            raise ProblemError(
                400, "One or more validation errors occurred.", {"password": ["The password field is required."]}
            )
        return self.user_response(user_id, RqlSelection(None))

    def check_sso(self, user_id: str) -> SandboxResponse:
        """GET or POST …/sso-check and …/sso: no response is documented."""
        self.row(user_id)
        return SandboxResponse.json({})

    def delete(self, user_id: str) -> SandboxResponse:
        """DELETE: only a disabled user can be deleted; the row stays."""
        row = self.row(user_id)
        if row["status"] != "Disabled":
            raise ProblemError(400, f"User '{user_id}' can only be deleted when it is Disabled.")
        self.save(row, {"status": "Deleted"})
        return SandboxResponse(204)

    def _minimal_response(self, email: str) -> SandboxResponse:
        row = self._store.row("SELECT * FROM marketplace_users WHERE email = ? ORDER BY id", email)
        if row is None:
            raise ProblemError(404, f"User with email '{email}' was not found.")
        document = {"id": row["id"], "email": row["email"], "status": row["status"]}
        if row["invitation_accepted_at"] is not None:
            document["audit"] = {"invitationAcceptedAt": millis_time(row["invitation_accepted_at"])}
        return SandboxResponse.json(document)

    def _user_json(self, row: Row) -> dict[str, Any]:
        accounts = self.accounts(row["id"])
        current = next((account for account in accounts if account["id"] == row["current_account_id"]), None)
        phone = _without_none(prefix=row["phone_prefix"], number=row["phone_number"])
        settings = _without_none(cultureCode=row["culture_code"], languageCode=row["language_code"])
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
            "audit": _without_none(
                created=_audit_entry(row["created_at"], row["created_by"]),
                updated=_audit_entry(row["updated_at"], row["updated_by"]),
                invitationAcceptedAt=_time(row["invitation_accepted_at"]),
            ),
        }


def _integer_option(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 (an int32)
        raise ProblemError(400, f"The value '{text}' is not valid for {name}.", {name: ["The value is not valid."]})
    return int(text)


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _time(timestamp: int | None) -> str | None:
    return None if timestamp is None else millis_time(timestamp)


def _audit_entry(timestamp: int | None, actor_json: str) -> dict[str, Any] | None:
    if timestamp is None:
        return None
    actor = orjson.loads(actor_json)
    kind = "users" if actor["id"].startswith("USR-") else "api-tokens"
    return {"at": millis_time(timestamp), "by": actor | {"icon": f"/v1/accounts/{kind}/{actor['id']}/icon"}}


def _account(row: Row) -> dict[str, Any]:
    icon = f"/v1/accounts/accounts/{row['id']}/icon"
    return {name: row[name] for name in ("id", "type", "status", "name")} | {"icon": icon}
