"""Idempotency keys: what a caller gives, and what a source is sent for it."""

import hashlib
import hmac
import uuid

from gateway.users.ids import Ref

__all__ = ["fresh_key", "source_key"]


def fresh_key() -> str:
    """A key for a caller that gave none: a random UUID."""
    return str(uuid.uuid4())


def source_key(caller_key: str, operation: str, target: Ref | None, principal: str = "") -> str:
    """The key that a source is sent for a caller's key; `principal` is empty where callers are not told apart.

    Derived from the operation and its target too, since the account API leaves the id out of a
    key's scope: one key for two users would answer the second with the first one's record
    (account.md, 6), and from the caller, since there all callers of the
    gateway may be one. The payload is left out, so that a key used again with another one is noticed.
    """
    named = (caller_key, operation, *((target.source, target.tenant, target.source_id) if target else ()))
    text = "\x1f".join(named).encode(errors="surrogatepass")
    # Keyed by the caller, not joined to the rest: no key that a caller makes up can be another caller's.
    who = principal.encode(errors="surrogatepass")
    digest = hmac.digest(who, text, hashlib.sha256) if who else hashlib.sha256(text).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
