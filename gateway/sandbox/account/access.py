"""Who may call the account API, and for which account (account.md, section 2)."""

import base64
import binascii
from collections.abc import Mapping

from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.credentials import ACCOUNT_ID, ACCOUNT_TOKEN

__all__ = ["PREFIXES", "check_account", "check_key", "prefixed"]

PREFIXES = ("OpenMRP", "Augno")
"""The header prefixes, today's and the one before the rename."""


def prefixed(headers: Mapping[str, str], name: str) -> tuple[str, str | None]:
    """The prefix in use and the value of `<Prefix>-<name>`; today's prefix when neither is sent."""
    for prefix in PREFIXES:
        value = headers.get(f"{prefix}-{name}".lower())
        if value is not None:
            return prefix, value
    return PREFIXES[0], None


def check_key(headers: Mapping[str, str]) -> None:
    """Accept the sandbox's key as Bearer, or as Basic with an empty password."""
    authorization = headers.get("authorization")
    if authorization is None:
        raise _unauthorized("Authentication is required. Send your API key as 'Authorization: Bearer <key>'.")
    if "cookie" in headers:
        raise _unauthorized("Ambiguous authentication: send either a cookie or the Authorization header.")
    scheme, _, value = authorization.partition(" ")
    key = value.strip()
    if scheme.lower() == "basic":
        key = _basic_key(key)
    elif scheme.lower() != "bearer":
        raise _unauthorized("The Authorization header must use the Bearer or the Basic scheme.")
    if key != ACCOUNT_TOKEN:
        raise _unauthorized(f"Invalid API Key provided: {key[:14]}****{key[-4:]}.")
    if prefixed(headers, "Actor-Account")[1] is not None:
        raise ApiError(400, "parameter_invalid", "The actor account header cannot be used with an API key.")


def check_account(headers: Mapping[str, str]) -> str:
    """The target account; an account that is not the key's own is refused with 403 (our choice)."""
    account = prefixed(headers, "Account")[1]
    if not account:
        raise _unauthorized("The Augno-Account-ID header is required.")
    if account != ACCOUNT_ID:
        message = f"This API Key does not have permission to access account {account}"
        raise ApiError(403, "insufficient_permissions", message)
    return account


def _basic_key(text: str) -> str:
    try:
        key, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise _unauthorized("The Basic credentials are not valid base64.") from None
    if not colon or password:
        raise _unauthorized("Basic authentication takes the API key as user name and an empty password.")
    return key


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, "invalid_credentials", message)
