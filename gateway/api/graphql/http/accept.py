"""Negotiates the media type of a response from the `Accept` header."""

from enum import StrEnum
from functools import lru_cache

__all__ = ["MediaType", "accepted", "prefers_html"]


class MediaType(StrEnum):
    """The media types of responses. Those of several parts name their format by a parameter."""

    RESPONSE = "application/graphql-response+json"
    JSON = "application/json"
    INCREMENTAL = "multipart/mixed; incrementalSpec=v0.2"
    """`@defer` and `@stream`, as graphql-js 17 sends them: https://github.com/graphql/defer-stream-wg/discussions/69."""

    INCREMENTAL_2022 = "multipart/mixed; deferSpec=20220824"
    """The same in the format of August 2022, which Apollo's clients name by this parameter."""

    SUBSCRIPTION = "multipart/mixed; subscriptionSpec=1.0"
    """https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol."""

    EVENT_STREAM = "text/event-stream"


_MAX_LENGTH = 1_024  # characters; browsers send 140
_MULTIPART = "multipart/mixed"
_FORMATS = {
    ("incrementalspec", "v0.2"): MediaType.INCREMENTAL,
    ("deferspec", "20220824"): MediaType.INCREMENTAL_2022,
    ("subscriptionspec", "1.0"): MediaType.SUBSCRIPTION,
}
_FORMAT_PARAMETERS = frozenset(name for name, _ in _FORMATS)
_ANY = (MediaType.JSON, MediaType.RESPONSE)
_FIRST_OF = {media_type.value: (media_type,) for media_type in (*_ANY, MediaType.EVENT_STREAM)} | {
    "application/*": _ANY,
    "*/*": _ANY,
}


_HTML_OR_RESPONSE = frozenset(
    {"text/html", "*/*", "application/*", *(media_type.partition(";")[0] for media_type in MediaType)}
)


@lru_cache(256)
def accepted(accept: str) -> tuple[MediaType, ...]:
    """Return the accepted media types, by descending weight, and in the order of the header for equal weights.

    Without the header JSON is accepted, as GraphQL over HTTP requires. A wildcard matches the first media type that is
    not itself listed with `q=0` (RFC 9110, 12.5.1). `multipart/mixed` without a format matches the newest format of
    incremental delivery, and that of subscriptions; a format that is not known matches nothing. In a header of more
    than 1,024 characters nothing is accepted: parsing it would take time before the caller is known.
    """
    if len(accept) > _MAX_LENGTH:
        return ()
    if not accept.strip():
        return (MediaType.JSON,)
    ranges: list[tuple[float, str, tuple[MediaType, ...]]] = []
    for part in accept.split(","):
        name, *pieces = (piece.strip().lower() for piece in part.split(";"))
        parameters = [(key.strip(), value.strip().strip('"')) for key, _, value in (p.partition("=") for p in pieces)]
        weight = next((_weight(value) for key, value in parameters if key == "q"), 1.0)
        ranges.append((weight, name, _multipart(parameters) if name == _MULTIPART else ()))
    ranked = sorted((item for item in ranges if item[0] > 0), key=lambda item: -item[0])
    refused = {name for weight, name, _ in ranges if not weight > 0}
    if "application/*" in refused:
        refused.add("*/*")  # all that this could match here is application/*
    matches: list[MediaType] = []
    for _, name, formats in ranked:
        singles = [media_type for media_type in _FIRST_OF.get(name, ()) if not {media_type, name} & refused]
        matches += formats or singles[:1]
    return tuple(dict.fromkeys(matches))


def _multipart(parameters: list[tuple[str, str]]) -> tuple[MediaType, ...]:
    """Return the formats that a range of `multipart/mixed` with these parameters matches."""
    named = [parameter for parameter in parameters if parameter[0] in _FORMAT_PARAMETERS]
    if not named:
        return (MediaType.INCREMENTAL, MediaType.SUBSCRIPTION)
    return tuple(_FORMATS[parameter] for parameter in named if parameter in _FORMATS)


@lru_cache(256)
def prefers_html(accept: str) -> bool:
    """Whether a client prefers a page to all media types of responses, as a browser does that opens a URL."""
    if "text/html" not in accept or len(accept) > _MAX_LENGTH:
        return False
    ranges: list[tuple[float, str]] = []
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((_weight(parameter[2:]) for parameter in parameters if parameter.startswith("q=")), 1.0)
        if weight > 0 and name in _HTML_OR_RESPONSE:
            ranges.append((weight, name))
    return bool(ranges) and max(ranges, key=lambda item: item[0])[1] == "text/html"  # the first one of equal weights


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
