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


_ANY = (MediaType.JSON, MediaType.RESPONSE)
_OFFERED = {kind.value: (kind,) for kind in MediaType} | {"application/*": _ANY, "*/*": _ANY}


@lru_cache(256)
def accepted(accept: str) -> tuple[MediaType, ...]:
    """The media types of ours that an `Accept` takes, the best first; those it weighs alike in its own order.

    Without the field JSON is assumed, as the GraphQL over HTTP specification has it. A wildcard stands for the first of
    ours that is not itself named with `q=0` (RFC 9110, 12.5.1).
    """
    if not accept.strip():
        return (MediaType.JSON,)
    weighed: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weighed.append((next((_weight(one[2:]) for one in parameters if one.startswith("q=")), 1.0), name))
    wanted = sorted((one for one in weighed if one[0] > 0), key=lambda one: -one[0])
    refused = {name for weight, name in weighed if not weight > 0}
    if "application/*" in refused:
        refused.add("*/*")  # both stand for the same
    left = ([kind for kind in _OFFERED.get(name, ()) if not {kind, name} & refused] for _, name in wanted)
    return tuple(dict.fromkeys(kinds[0] for kinds in left if kinds))


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
