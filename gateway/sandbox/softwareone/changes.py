"""PUT of a user: changes as JSON, or as multipart with an icon (docs/upstreams/softwareone.md, "Updates")."""

from typing import Any

import orjson

from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.multipart import FormPart, MalformedMultipartError, parse_parts
from gateway.sandbox.softwareone.problems import ProblemError
from gateway.sandbox.softwareone.selection import RqlSelection
from gateway.sandbox.softwareone.users import MarketplaceUsers
from gateway.sandbox.store import Row, Store

__all__ = ["update_user"]

_VALIDATION_ERRORS = "One or more validation errors occurred."
# Media type -> how its files begin. Of a WebP, the first four bytes are those of its container.
_PICTURES = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "image/svg+xml": (b"<", b"\xef\xbb\xbf<"),
}
# API name in lower case -> column, and the maximum length of its text
_NAMES = {"firstname": "first_name", "lastname": "last_name"}
_PHONE = {"prefix": ("phone_prefix", 10), "number": ("phone_number", 15)}
_SETTINGS = {"culturecode": ("culture_code", 5), "languagecode": ("language_code", 5)}


def update_user(store: Store, users: MarketplaceUsers, request: SandboxRequest, user_id: str) -> SandboxResponse:
    """PUT /accounts/users/{id}: change only the fields that are sent; read-only and unknown fields are ignored."""
    delta, icon = _parse_request(request)
    row = users.row(user_id)
    changes = _columns(users, row, delta)
    if icon is not None:
        _check_icon(icon)
        store.execute(
            "INSERT OR REPLACE INTO icons (user_id, content_type, content) VALUES (?, ?, ?)",
            user_id,
            icon.content_type or "application/octet-stream",
            icon.content,
        )
    users.save(row, changes)
    return users.user_response(user_id, RqlSelection(None))


def _check_icon(icon: FormPart) -> None:
    """Refuse a file that is no picture: the rules are not known (docs/upstreams/softwareone.md, "Unknown")."""
    beginnings = _PICTURES.get((icon.content_type or "").lower())
    if beginnings is None or not icon.content.lstrip().startswith(beginnings):
        raise ProblemError(400, _VALIDATION_ERRORS, {"icon": ["The file is not an image of a supported format."]})


def _parse_request(request: SandboxRequest) -> tuple[dict[str, Any], FormPart | None]:
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind in {"application/json", "text/json"}:
        return _parse_delta(request.body), None
    if kind != "multipart/form-data":
        raise ProblemError(415, f"The content type '{kind}' is not supported.")
    try:
        parts = parse_parts(content_type, request.body)
    except MalformedMultipartError as error:
        raise ProblemError(400, f"Failed to read the request form. {error}") from None
    user: FormPart | None = None
    icon: FormPart | None = None
    for part in parts:
        if part.name == "user" and part.filename is None:
            user = part
        elif part.name == "icon" and part.filename is not None:
            icon = part
        else:
            raise ProblemError(400, _VALIDATION_ERRORS, {part.name: ["The form has no such field or file."]})
    if user is None and icon is None:
        raise ProblemError(400, _VALIDATION_ERRORS, {"user": ["The user field is required."]})
    return _parse_delta(user.content) if user else {}, icon


def _parse_delta(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(400, _VALIDATION_ERRORS, {"user": [f"The JSON value is invalid: {error}."]}) from None
    if not isinstance(document, dict):
        raise ProblemError(400, _VALIDATION_ERRORS, {"user": ["The JSON value must be an object."]})
    for name in document:
        # These names are an artefact of the vendor's documentation (docs/upstreams/softwareone.md, "User.Data").
        if name.lower().startswith("user."):
            raise ProblemError(400, _VALIDATION_ERRORS, {name: ["Invalid property path."]})
    return {name.lower(): value for name, value in document.items()}


def _columns(users: MarketplaceUsers, row: Row, delta: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, column in _NAMES.items():
        if name in delta:
            value = delta[name]
            if not isinstance(value, str) or not value.strip():
                raise ProblemError(400, _VALIDATION_ERRORS, {name: [f"The {name} field is required."]})
            changes[column] = value
    changes |= _nested_columns(delta, "phone", _PHONE)
    changes |= _nested_columns(delta, "settings", _SETTINGS)
    if "currentaccount" in delta:
        account = delta["currentaccount"]
        account_id = account.get("id") if isinstance(account, dict) else None
        allowed = {member["id"] for member in users.accounts(row["id"]) if member["membership"] == "Active"}
        if account_id not in allowed:
            message = "The current account must be an account with an active membership."
            raise ProblemError(400, _VALIDATION_ERRORS, {"currentAccount": [message]})
        changes["current_account_id"] = account_id
    if changes.keys() & {"first_name", "last_name"}:
        merged = row | changes
        changes["name"] = f"{merged['first_name']} {merged['last_name']}"
    return changes


def _nested_columns(delta: dict[str, Any], name: str, fields: dict[str, tuple[str, int]]) -> dict[str, Any]:
    if name not in delta:
        return {}
    value = delta[name]
    if value is None:
        return {column: None for column, _ in fields.values()}
    if not isinstance(value, dict):
        raise ProblemError(400, _VALIDATION_ERRORS, {name: ["The JSON value must be an object."]})
    changes: dict[str, Any] = {}
    for inner, text in value.items():
        if inner.lower() not in fields:
            continue
        column, max_length = fields[inner.lower()]
        if text is not None and (not isinstance(text, str) or len(text) > max_length):
            message = f"The field {inner} must be a string with a maximum length of {max_length}."
            raise ProblemError(400, _VALIDATION_ERRORS, {f"{name}.{inner}": [message]})
        changes[column] = text
    return changes
