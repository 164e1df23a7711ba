"""Negotiates the media type of a response from the `Accept` header."""

from enum import StrEnum
from functools import lru_cache

__all__ = ["MediaType", "accepted"]


class MediaType(StrEnum):
    """The media types of responses."""

    RESPONSE = "application/graphql-response+json"
    JSON = "application/json"
    MULTIPART = "multipart/mixed"
    EVENT_STREAM = "text/event-stream"


_MAX_LENGTH = 1_024  # characters; browsers send 140
_ANY = (MediaType.JSON, MediaType.RESPONSE)
_OFFERED = {media_type.value: (media_type,) for media_type in MediaType} | {"application/*": _ANY, "*/*": _ANY}


@lru_cache(256)
def accepted(accept: str) -> tuple[MediaType, ...]:
    """Return the accepted media types, by descending weight, and in the order of the header for equal weights.

    Without the header JSON is accepted, as GraphQL over HTTP requires. A wildcard matches the first media type that is
    not itself listed with `q=0` (RFC 9110, 12.5.1). In a header of more than 1,024 characters nothing
    is accepted: parsing it would take time before the caller is known.
    """
    if len(accept) > _MAX_LENGTH:
        return ()
    if not accept.strip():
        return (MediaType.JSON,)
    ranges: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((_weight(parameter[2:]) for parameter in parameters if parameter.startswith("q=")), 1.0)
        ranges.append((weight, name))
    ranked = sorted((item for item in ranges if item[0] > 0), key=lambda item: -item[0])
    refused = {name for weight, name in ranges if not weight > 0}
    if "application/*" in refused:
        refused.add("*/*")  # all that this could match here is application/*
    matches = (
        [media_type for media_type in _OFFERED.get(name, ()) if not {media_type, name} & refused] for _, name in ranked
    )
    return tuple(dict.fromkeys(media_types[0] for media_types in matches if media_types))


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
