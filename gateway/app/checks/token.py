"""When a token expires, as far as the token itself shows it."""

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta

import orjson

from gateway.app.checks.row import CheckRow

__all__ = ["note_expiry"]

_PARTS = 3  # of a JWT
_EXPIRES_SOON = timedelta(days=14)


def note_expiry(row: CheckRow, token: str, setting: str) -> None:
    """Note that a token has expired or expires soon, if it is a JWT with that time, as those of the reseller API are.

    Its signature is for the source to verify.
    """
    expires = _expiry(token)
    if expires is None or (left := expires - datetime.now(UTC)) >= _EXPIRES_SOON:
        return
    when = f"expires in {left.days} days, on" if left > timedelta(0) else "has expired on"
    row.notes.append(f"{setting} {when} {expires:%Y-%m-%d}")


def _expiry(token: str) -> datetime | None:
    parts = token.split(".")
    if len(parts) != _PARTS:
        return None
    try:
        claims = orjson.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return None
