"""Checks the API key and the account of a request (docs/upstreams/account.md, "Authentication")."""

import base64
import binascii
from collections.abc import Mapping

from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.credentials import ACCOUNT_ID, AcceptedTokens

__all__ = ["PREFIXES", "check_account", "check_api_key", "prefixed_header", "required_permission"]

PREFIXES = ("OpenMRP", "Augno")
"""The prefixes of header names: the current one, and the one before the vendor renamed the product."""


_DOMAINS = {
    "account-users": "team",
    "roles": "roles",
    "accounts": "self",
    "departments": "departments",
    "locations": "locations",
    "scanning-stations": "scanners",
    "machines": "machines",
    "production-steps": "production_steps",
    "audit-events": "audit_events",
}
_ACTIONS = {"GET": "read", "POST": "create", "PATCH": "update", "PUT": "update", "DELETE": "delete"}


def required_permission(method: str, path: str) -> str:
    """Return the permission that an endpoint requires of an API key, for example `team:update`."""
    domain = next((_DOMAINS[segment] for segment in path.split("/") if segment in _DOMAINS), "self")
    return f"{domain}:{_ACTIONS.get(method, 'read')}"


def prefixed_header(headers: Mapping[str, str], name: str) -> tuple[str, str | None]:
    """Return the prefix that the client used and the value of `<Prefix>-<name>`; without one, the current prefix."""
    for prefix in PREFIXES:
        value = headers.get(f"{prefix}-{name}".lower())
        if value is not None:
            return prefix, value
    return PREFIXES[0], None


def check_api_key(headers: Mapping[str, str], tokens: AcceptedTokens) -> None:
    """Check the API key, sent as Bearer token, or with Basic and an empty password. Raises ApiError."""
    authorization = headers.get("authorization")
    if authorization is None:
        raise _unauthorized("Authentication is required. Send your API key as 'Authorization: Bearer <key>'.")
    if "cookie" in headers:
        raise _unauthorized("Ambiguous authentication: send either a cookie or the Authorization header.")
    scheme, _, value = authorization.partition(" ")
    api_key = value.strip()
    if scheme.lower() == "basic":
        api_key = _decode_basic(api_key)
    elif scheme.lower() != "bearer":
        raise _unauthorized("The Authorization header must use the Bearer or the Basic scheme.")
    if not tokens.includes("account", api_key):
        raise _unauthorized(f"Invalid API Key provided: {api_key[:14]}****{api_key[-4:]}.")
    if prefixed_header(headers, "Actor-Account")[1] is not None:
        raise ApiError(400, "parameter_invalid", "The actor account header cannot be used with an API key.")


def check_account(headers: Mapping[str, str]) -> str:
    """Return the account of the request. Raises ApiError.

    An account to which the API key does not belong is refused with 403; the response of the real API is unknown.
    """
    account = prefixed_header(headers, "Account")[1]
    if not account:
        raise _unauthorized("The Augno-Account-ID header is required.")
    if account != ACCOUNT_ID:
        message = f"This API Key does not have permission to access account {account}"
        raise ApiError(403, "insufficient_permissions", message)
    return account


def _decode_basic(text: str) -> str:
    try:
        api_key, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise _unauthorized("The Basic credentials are not valid base64.") from None
    if not colon or password:
        raise _unauthorized("Basic authentication takes the API key as user name and an empty password.")
    return api_key


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, "invalid_credentials", message)
