"""What a client accepts as an answer."""

from enum import StrEnum
from functools import lru_cache

__all__ = ["MediaType", "accepted"]


class MediaType(StrEnum):
    """The forms that an answer has."""

    RESPONSE = "application/graphql-response+json"
    JSON = "application/json"
    MULTIPART = "multipart/mixed"
    EVENT_STREAM = "text/event-stream"


_OFFERED = {kind.value: kind for kind in MediaType} | {"application/*": MediaType.JSON, "*/*": MediaType.JSON}


@lru_cache(256)
def accepted(accept: str) -> tuple[MediaType, ...]:
    """The media types of ours that an `Accept` takes, the best first; those it weighs alike in its own order.

    Without the field JSON is assumed, as the GraphQL over HTTP specification has it.
    """
    if not accept.strip():
        return (MediaType.JSON,)
    ranked: list[tuple[float, int, MediaType]] = []
    for place, part in enumerate(accept.split(",")):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((_weight(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        if name in _OFFERED and weight > 0:
            ranked.append((-weight, place, _OFFERED[name]))
    return tuple(dict.fromkeys(kind for _, _, kind in sorted(ranked)))


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
