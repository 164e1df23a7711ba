"""The JSON of the three sources of the stand-in (docs/upstreams/)."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = ["StoredUser", "account_error", "not_found", "own_error", "view"]


@dataclass(slots=True)
class StoredUser:
    """A user of a source; `value` is the field that changes set."""

    id: str
    email: str
    value: str
    created: int  # the position in the order of creation
    updated_at: float = field(default_factory=time.time)


def view(source: str, user: StoredUser) -> dict[str, Any]:
    updated = datetime.fromtimestamp(user.updated_at, UTC)
    created = datetime.fromtimestamp(1_700_000_000 + user.created, UTC)
    if source == "account":
        # Whole seconds, rounded down: docs/upstreams/account.md.
        times = {"created_at": f"{created:%FT%TZ}", "updated_at": f"{updated:%FT%TZ}"}
        profile = {"id": f"us_{user.id}", "object": "user", "name": user.value, "email": user.email, **times}
        record: dict[str, Any] = {"id": user.id, "object": "account_user", "status": "active", "user": profile}
        return record | times | {"role": None, "department": None}
    if source == "softwareone":
        audit = {"created": {"at": created.isoformat()}, "updated": {"at": updated.isoformat(timespec="milliseconds")}}
        names = {"name": f"{user.value} Last", "firstName": user.value, "lastName": "Last"}
        return {"id": user.id, **names, "email": user.email, "status": "Active", "audit": audit}
    moments = {"createdAt": f"{created:%FT%T}.0000000Z", "updatedAt": f"{updated:%FT%T.%f}0Z"}
    return {"id": user.id, **moments, "name": "First", "firstName": "First", "email": user.email, "company": user.value}


def not_found(source: str) -> tuple[int, Any]:
    if source == "account":
        return account_error(404, "resource_not_found", "invalid_request_error")
    if source == "softwareone":
        return 404, {"type": "https://tools.ietf.org/html/rfc9110#section-15.5.5", "title": "Not Found", "status": 404}
    return 404, {"message": "User not found.", "code": "NOT_FOUND"}


def own_error(source: str) -> tuple[int, Any]:
    if source == "account":
        return account_error(500, "internal_error", "api_error")
    return 500, {"status": 500, "title": "Internal"} if source == "softwareone" else {"message": "Internal error."}


def account_error(status: int, code: str, kind: str) -> tuple[int, Any]:
    transient = status >= 500 or code == "idempotency_in_progress"
    nothing = dict.fromkeys(("param", "doc_url", "quota", "request_log_url"))
    return status, {"error": {"code": code, "type": kind, "message": code, "is_transient": transient, **nothing}}
