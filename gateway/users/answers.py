"""The answer to a change, kept: a user, or a refusal, as bytes and back."""

from dataclasses import asdict
from typing import Any

import msgspec
import orjson

from gateway import errors
from gateway.errors import GatewayError, Origin, Violation
from gateway.users.model import User

__all__ = ["from_bytes", "to_bytes"]

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
