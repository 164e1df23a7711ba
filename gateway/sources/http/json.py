"""Decodes the JSON of the sources. It is tolerant: absent and unknown fields are accepted."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from gateway.errors import Origin, Outcome, SourceInvalidResponse
from gateway.kit.source_titles import titled
from gateway.sources.http.causes import undocumented_body
from gateway.sources.http.exchange import Request, Response
from gateway.users.model import Timestamp

__all__ = [
    "CamelWire",
    "Decoder",
    "FastDecoder",
    "FoundByBytes",
    "JsonDecoder",
    "Times",
    "Wire",
    "decode_change_response",
    "decode_response",
    "invalid_response",
    "undocumented_json",
]

F = TypeVar("F")
T = TypeVar("T")
M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)
_MAX_KNOWN = 4_096  # objects or times
_MAX_KNOWN_BYTES = 1_024  # of an object
_MAX_KNOWN_TIME = 64  # characters: RFC 3339 allows any number of fractional digits
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1


# Values from JSON contain no reference cycles, so the garbage collector need not track them.
class Wire(msgspec.Struct, frozen=True, gc=False):
    """Base of the types for JSON objects of a source. Their fields have defaults: a field that is absent is None."""


class CamelWire(Wire, frozen=True, rename="camel"):
    """Base of the types for JSON objects with camelCase names."""


class JsonDecoder(Generic[T]):
    """Decodes JSON as a type; numbers and booleans may be strings.

    A `Timestamp` is an RFC 3339 time. It keeps the text that was received, with `Z` added if there is no offset.

    Raises:
        ValueError: not JSON, or not of the type. It contains the path and the rule, and no data of the source.
    """

    def __init__(self, type: type[T]) -> None:
        self._type = type
        self._decoder = msgspec.json.Decoder(type, strict=False, dec_hook=_decode_custom)

    def decode(self, body: bytes) -> T:
        """Decode a complete body."""
        try:
            return self._decoder.decode(body)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def convert(self, value: Any) -> T:
        """Convert a part of JSON that was decoded without a type."""
        return msgspec.convert(value, self._type, strict=False, dec_hook=_decode_custom)


class FastDecoder(Generic[F, T, M]):
    """Decodes JSON to a record by a type that is cheaper than the documented one.

    What the cheaper type or its conversion refuses is decoded by the documented type, whose error counts: it names the
    first wrong value of the whole body. So the cheaper type has to refuse whatever the documented one refuses.
    """

    def __init__(
        self,
        cheaper: type[F],
        from_cheaper: Callable[[F], M],
        documented: type[T],
        from_documented: Callable[[T], M],
    ) -> None:
        self._decode_cheaper = msgspec.json.Decoder(cheaper, strict=False, dec_hook=_decode_custom).decode
        self._from_cheaper = from_cheaper
        self._documented = JsonDecoder(documented)
        self._from_documented = from_documented

    def decode(self, body: bytes) -> M:
        """Decode a complete body.

        Raises:
            ValueError: as `JsonDecoder.decode`.
        """
        try:
            return self._from_cheaper(self._decode_cheaper(body))
        except (ValueError, RecursionError):
            return self._from_documented(self._documented.decode(body))


class FoundByBytes(dict[bytes, M]):
    """Finds the records of JSON objects that many records have in common by their bytes: equal bytes, equal record.

    A record that is not known is made. Only small objects are known, and all are forgotten once there are `max_known`.
    """

    def __init__(self, to_record: Callable[[bytes], M], *, max_known: int = _MAX_KNOWN) -> None:
        super().__init__()
        self._to_record = to_record
        self._max_known = max_known

    def __missing__(self, body: bytes) -> M:
        record = self._to_record(body)
        if len(body) <= _MAX_KNOWN_BYTES:
            if len(self) >= self._max_known:
                self.clear()
            self[body] = record
        return record


class Times(dict[str | None, Timestamp | None]):
    """Converts times that were decoded as text, and None to None: the times that occur again are known.

    Raises:
        ValueError: the text is not a time.
    """

    def __missing__(self, text: str | None) -> Timestamp | None:
        time = None if text is None else _timestamp(Timestamp, text)
        if text is None or len(text) <= _MAX_KNOWN_TIME:
            if len(self) >= _MAX_KNOWN:
                self.clear()
            self[text] = time
        return time


class Decoder(Protocol[M_co]):
    """Decodes the complete body of a response; raises ValueError if it is not as documented."""

    def decode(self, body: bytes) -> M_co: ...


def undocumented_json(value: Any) -> Any:
    """Return JSON of undocumented form, with integers beyond 64 bits, which few clients can parse, as strings."""
    if isinstance(value, dict):
        return {name: undocumented_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [undocumented_json(item) for item in value]
    return str(value) if isinstance(value, int) and not _MIN_INTEGER <= value <= _MAX_INTEGER else value


def decode_response(decoder: Decoder[T], request: Request, response: Response) -> T:
    """Decode the body of a response.

    Raises:
        SourceInvalidResponse: not JSON, or not of the documented form; the outcome of a change is unknown then.
    """
    try:
        decoded = decoder.decode(response.body)
    except ValueError as error:
        invalid = invalid_response(request, response, error)
        if request.observe is not None:
            request.observe(request, invalid)
        raise invalid from error
    if request.observe is not None:
        request.observe(request, None)
    return decoded


def invalid_response(request: Request, response: Response, error: ValueError) -> SourceInvalidResponse:
    """Return the exception for a successful response whose body is not as documented, for the reason of `error`."""
    return SourceInvalidResponse(
        f"The response of the {titled(request.source)} source does not have the documented form.",
        origin=Origin(source=request.source, http_status=response.status),
        outcome=Outcome.UNKNOWN if request.writes else None,
        failed_call=undocumented_body(request, response, error),
    )


def decode_change_response(decoder: JsonDecoder[T], request: Request, response: Response) -> T | None:
    """Decode the response to a change; return None if it confirms the change without a body, for example with 204.

    A 202 without a body is an error, because it means that the change is not executed yet.
    """
    confirmed = response.status != 202 and not response.body.strip()  # noqa: PLR2004 - the HTTP status
    if not confirmed:
        return decode_response(decoder, request, response)
    if request.observe is not None:
        request.observe(request, None)
    return None


def _timestamp(_type: type, text: str) -> Timestamp:
    """Convert the one type that JSON does not have."""
    try:
        moment = datetime.fromisoformat(text.upper())  # T and Z may be in lower case (RFC 3339, section 5.6)
    except (AttributeError, ValueError):
        raise ValueError("not a time") from None
    if moment.tzinfo:
        return Timestamp(text)
    return Timestamp(f"{text}Z" if ":" in text else f"{moment.isoformat()}Z")


_known_time = lru_cache(_MAX_KNOWN)(_timestamp)


def _decode_custom(type_: type, value: Any) -> Timestamp:
    """Convert the one type that JSON does not have; every user comes with the times of its role and department."""
    is_short = value.__class__ is str and len(value) <= _MAX_KNOWN_TIME
    return (_known_time if is_short else _timestamp)(type_, value)
