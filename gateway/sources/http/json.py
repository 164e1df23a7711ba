"""A source's JSON → typed objects, tolerantly: missing and extra fields never break a read."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from gateway.errors import Origin, Outcome, SourceInvalidResponse
from gateway.sources.http.exchange import Request, Response
from gateway.users.model import Timestamp

__all__ = ["CamelWire", "Instant", "Shape", "Wire", "carried", "read", "read_changed"]

T = TypeVar("T")
_LEAST, _MOST = -(2**63), 2**64 - 1

Instant = Timestamp
"""An RFC 3339 time, kept as written; without an offset it is UTC."""


# Nothing in JSON leads back to where it is: the collector need not look for circles.
class Wire(msgspec.Struct, frozen=True, gc=False):
    """A source's object. Every field has a default: what a source leaves out is None."""


class CamelWire(Wire, frozen=True, rename="camel"):
    """A source's object with camelCase names."""


class Shape(Generic[T]):
    """Reads JSON as a type; numbers and booleans may be written as strings.

    What is no JSON or of another shape is a ValueError. It tells the place and the rule, never the source's data.
    """

    def __init__(self, type: type[T]) -> None:
        self._type = type
        self._decoder = msgspec.json.Decoder(type, strict=False, dec_hook=_custom)

    def read(self, body: bytes) -> T:
        """A whole body."""
        try:
            return self._decoder.decode(body)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def of(self, value: Any) -> T:
        """A value out of JSON that was read already."""
        return msgspec.convert(value, self._type, strict=False, dec_hook=_custom)


def carried(value: Any) -> Any:
    """JSON of a shape that is not documented; a whole number past 64 bits, which few can read, becomes its digits."""
    if isinstance(value, dict):
        return {name: carried(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [carried(one) for one in value]
    return str(value) if isinstance(value, int) and not _LEAST <= value <= _MOST else value


def read(shape: Shape[T], request: Request, response: Response) -> T:
    """The JSON body as that shape.

    Raises:
        SourceInvalidResponse: not JSON, or not the documented shape; after a change its outcome is unknown.
    """
    try:
        return shape.read(response.body)
    except ValueError as error:
        raise SourceInvalidResponse(
            f"The {request.source} system's answer is not what it documents.",
            origin=Origin(source=request.source, http_status=response.status),
            outcome=Outcome.UNKNOWN if request.writes else None,
        ) from error


def read_changed(shape: Shape[T], request: Request, response: Response) -> T | None:
    """The same after a change; None where the answer says that it is done, and no more: 204, or no body.

    Not 202, which says that it is still to be done.
    """
    silent = response.status != 202 and not response.body.strip()  # noqa: PLR2004 - the HTTP status
    return None if silent else read(shape, request, response)


def _instant(_type: type, text: str) -> Timestamp:
    """The one type that is not JSON's own."""
    try:
        moment = datetime.fromisoformat(text.upper())  # T and Z may be small letters (RFC 3339, 5.6)
    except (AttributeError, ValueError):
        raise ValueError("no time") from None
    if moment.tzinfo:
        return Timestamp(text)
    return Timestamp(f"{text}Z" if ":" in text else f"{moment.isoformat()}Z")


# The times of roles and departments come with every user: those that are known cost no call in Python.
_custom: Callable[[Any, Any], Timestamp] = lru_cache(4_096)(_instant)
