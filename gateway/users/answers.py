"""The answer to a change, kept: a user, or a refusal, as bytes and back."""

from dataclasses import asdict
from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter

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
        return orjson.dumps({"user": asdict(answer)}, default=_listed)
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
        return _reader().validate_python(answer["user"])
    refusal = answer["refusal"]
    return _FAMILY[refusal["kind"]](
        refusal["message"],
        origin=Origin(**refusal["origin"]),
        violations=[Violation(tuple(one["path"]), one["message"]) for one in refusal["violations"]],
    )


@cache
def _reader() -> TypeAdapter[User]:
    """Built when the first answer is given again: most processes never do."""
    return TypeAdapter(User)


def _listed(value: object) -> list[Any]:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError
