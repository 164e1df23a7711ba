"""Idempotency keys: what a caller gives, and what a source is sent for it."""

import hashlib
import hmac
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import msgspec
import orjson

from gateway import errors
from gateway.errors import BadUserInput, Conflict, GatewayError, NotFound, Origin, Violation
from gateway.users.ids import Ref
from gateway.users.model import User

__all__ = ["Once", "from_bytes", "is_refusal", "new_key", "source_key", "to_bytes"]


def new_key() -> str:
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


class Once(Protocol):
    """Carries a change out, or gives the answer that it had."""

    async def __call__(
        self, scope: Sequence[str], fingerprint: str, change: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """The answer of the one change of that scope, and whether it is the first call's, given again.

        What the change returns is kept; where it raises, nothing is, and it may be sent again.

        Raises:
            IdempotencyConflict: the scope had another fingerprint before.
            IdempotencyInProgress: the first call still runs.
        """


def is_refusal(error: GatewayError) -> bool:
    """Whether a failed change would fail in the same way again, and was not carried out: then that is the answer.

    Not a source's refusal of our own credentials, which somebody will put right, nor what may pass.
    """
    return isinstance(error, (BadUserInput, NotFound, Conflict)) and not error.retryable and error.outcome is None


_FAMILY: dict[str, type[GatewayError]] = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)
}


def to_bytes(answer: User | GatewayError) -> bytes:
    """The answer as JSON."""
    if isinstance(answer, User):
        return orjson.dumps({"user": msgspec.to_builtins(answer, enc_hook=str, order="deterministic")})
    refusal = {
        "kind": type(answer).__name__,
        "message": answer.message,
        "origin": asdict(answer.origin),
        "violations": [{"path": one.path, "message": one.message} for one in answer.violations],
    }
    return orjson.dumps({"refusal": refusal})


def from_bytes(kept: bytes) -> User | GatewayError:
    """What `to_bytes` was given."""
    answer: dict[str, Any] = orjson.loads(kept)
    if "user" in answer:
        return msgspec.convert(answer["user"], User, dec_hook=lambda kind, text: kind(text))
    refusal = answer["refusal"]
    return _FAMILY[refusal["kind"]](
        refusal["message"],
        origin=Origin(**refusal["origin"]),
        violations=[Violation(tuple(one["path"]), one["message"]) for one in refusal["violations"]],
    )
