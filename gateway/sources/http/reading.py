"""A source's JSON → pydantic models, tolerantly: missing and extra fields never break a read."""

from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from gateway.errors import Origin, Outcome, SourceInvalidResponse
from gateway.sources.http.exchange import Request, Response
from gateway.users.model import Timestamp

__all__ = ["Anything", "CamelWire", "Instant", "Text", "Wire", "read"]

T = TypeVar("T")


class Wire(BaseModel):
    """A source's object. Every field has a default: what a source leaves out is None."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class CamelWire(Wire):
    """A source's object with camelCase names."""

    model_config = ConfigDict(alias_generator=to_camel)


def _instant(text: Timestamp) -> Timestamp:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo:
        return text
    return Timestamp(f"{text}Z" if ":" in text else f"{moment.isoformat()}Z")


Instant = Annotated[Timestamp, AfterValidator(_instant)]
"""An RFC 3339 time, kept as written; without an offset it is UTC."""

Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
"""A string that the API promises: empty where the source has none."""


def _carried(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _carried(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [_carried(one) for one in value]
    return str(value) if isinstance(value, int) and not _LEAST <= value <= _MOST else value


_LEAST, _MOST = -(2**63), 2**64 - 1

Anything = Annotated[Any, AfterValidator(_carried)]
"""JSON of a shape that is not documented; a whole number past 64 bits, which few can read, becomes its digits."""


def read(shape: TypeAdapter[T], request: Request, response: Response) -> T:
    """The JSON body as that shape.

    Raises:
        SourceInvalidResponse: not JSON, or not the documented shape; after a change its outcome is unknown.
    """
    try:
        return shape.validate_json(response.body)
    except ValidationError as error:
        raise SourceInvalidResponse(
            f"The {request.source} system's answer is not what it documents.",
            origin=Origin(source=request.source, http_status=response.status),
            outcome=Outcome.UNKNOWN if request.writes else None,
        ) from _told(error)


def _told(error: ValidationError) -> ValueError:
    """Where the shape differs, for the log: places and rules, never the source's data."""
    places: list[Any] = [
        (".".join(map(str, one["loc"])), one["type"]) for one in error.errors(include_url=False, include_input=False)
    ]
    return ValueError(f"unexpected shape: {places[:5]}")
