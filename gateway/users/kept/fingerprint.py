"""Compares a user that was read with one that was reported, without the report being there."""

from hashlib import blake2b
from typing import Any

import orjson
from msgspec.structs import asdict

from gateway.users.model import User

__all__ = ["user_fingerprint"]

_RECORDS = ("role", "department", "organization", "current_account")  # changes of those are reported by themselves


def user_fingerprint(user: User) -> str:
    """Return 32 hexadecimal digits, which are equal for equal users; of the records in it, the ids are compared."""
    fields: dict[str, Any] = asdict(user)
    del fields["omitted_fields"]
    for name in _RECORDS:
        fields[name] = getattr(fields[name], "source_id", None)
    if user.image_url:
        fields["image_url"] = user.image_url.partition("?")[0]  # a signature differs from response to response
    fields["source_id"], fields["tenant"] = user.source_id.casefold(), user.tenant.casefold()
    return blake2b(orjson.dumps(fields, default=asdict), digest_size=16).hexdigest()
