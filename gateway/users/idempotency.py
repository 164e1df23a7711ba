"""Idempotency: the keys that sources are sent, and the results that are stored under the keys of callers."""

import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import msgspec
import orjson

from gateway import errors
from gateway.errors import BadUserInput, Conflict, GatewayError, NotFound, Origin, Outcome, Rule, Violation
from gateway.kit.execution import Execution
from gateway.users.ids import Ref
from gateway.users.model import User

__all__ = ["ExecuteOnce", "from_bytes", "is_final", "random_key", "source_key", "to_bytes"]


def random_key() -> str:
    """Return a random UUID, the source key of a change for which the caller gave no key."""
    return _as_uuid(os.urandom(16))


def source_key(caller_key: str, operation: str, target: Ref | None, principal: str = "") -> str:
    """Return the idempotency key to send to a source, derived from the caller's key: a UUID, always the same one.

    `principal` is the identity of the caller, empty where callers are not distinguished.

    The operation and the target are included because the account API ignores the id of the user: the same key for two
    users would return the record of the first one for the second (docs/upstreams/account.md, "Idempotency"). The
    principal is included because all callers of the gateway may be one caller of the source. The payload is not
    included, so that the source detects a key that is used again with another payload.
    """
    parts = (caller_key, operation, *((target.source, target.tenant, target.source_id) if target else ()))
    text = "\x1f".join(parts).encode(errors="surrogatepass")
    # The identity is the key of an HMAC, not one of the parts: no key that a caller makes up equals that of another.
    identity = principal.encode(errors="surrogatepass")
    digest = hmac.digest(identity, text, hashlib.sha256) if identity else hashlib.sha256(text).digest()
    return _as_uuid(digest[:16])


_VARIANT = {digit: f"{int(digit, 16) & 3 | 8:x}" for digit in "0123456789abcdef"}  # of UUIDs: RFC 9562, 5.4


def _as_uuid(content: bytes) -> str:
    """Return 16 bytes as a UUID of version 4; `uuid.UUID` takes several times as long."""
    text = content.hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"


class ExecuteOnce(Protocol):
    """Executes a change at most once in its scope, and returns the stored result to repeated calls."""

    async def __call__(
        self,
        scope: Sequence[str],
        fingerprint: str,
        change: Callable[[Execution], Awaitable[bytes]],
        *,
        principal: str = "",
    ) -> tuple[bytes, bool]:
        """Return the result of the change of that scope, and whether it is a replay of a stored result.

        A result that `change` returns is stored. If it raises, nothing is stored, and a later call executes it again;
        its `Execution` contains what is known of the earlier one. `principal` is whose records are bounded together.

        Raises:
            IdempotencyConflict: the scope was used with another fingerprint.
            IdempotencyInProgress: the first call is still running.
        """


def is_final(error: GatewayError) -> bool:
    """Return whether a change was not executed and would fail with the same error again, so that it is its result.

    Errors that may pass are not final, nor is a refusal of the gateway's credentials, which an operator will correct.
    """
    return isinstance(error, (BadUserInput, NotFound, Conflict)) and not error.retryable and error.outcome is None


_ERROR_CLASSES: dict[str, type[GatewayError]] = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)
}


def to_bytes(result: User | GatewayError) -> bytes:
    """Return the result of a change as JSON."""
    if isinstance(result, User):
        return msgspec.json.encode({"user": result}, enc_hook=str, order="deterministic")
    refusal = {
        "kind": type(result).__name__,
        "message": result.message,
        "origin": asdict(result.origin),
        "outcome": result.outcome,
        "violations": [asdict(violation) for violation in result.violations],
    }
    return orjson.dumps({"refusal": refusal})


def from_bytes(stored: bytes) -> User | GatewayError:
    """Return the result that `to_bytes` was called with."""
    result: dict[str, Any] = orjson.loads(stored)
    if "user" in result:
        return msgspec.convert(result["user"], User, dec_hook=lambda kind, text: kind(text))
    refusal = result["refusal"]
    return _ERROR_CLASSES[refusal["kind"]](
        refusal["message"],
        origin=Origin(**refusal["origin"]),
        outcome=Outcome(refusal["outcome"]) if refusal.get("outcome") else None,
        violations=[_violation(violation) for violation in refusal["violations"]],
    )


def _violation(stored: dict[str, Any]) -> Violation:
    """Return a stored violation. An older version, or a newer one, may have stored other members and rules."""
    rule = stored.get("rule", Rule.INVALID)
    known = Rule(rule) if rule in set(Rule) else Rule.INVALID
    return Violation(tuple(stored["path"]), stored["message"], known, stored.get("bounds", {}))
