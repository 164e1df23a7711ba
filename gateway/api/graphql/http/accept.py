"""Negotiates the media type of a response from the `Accept` header."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

__all__ = ["Accepted", "MediaType", "accepted", "prefers_html"]


class MediaType(StrEnum):
    """The media types of responses. Those of several parts name their format by a parameter."""

    RESPONSE = "application/graphql-response+json"
    JSON = "application/json"
    INCREMENTAL = "multipart/mixed; incrementalSpec=v0.2"
    """`@defer` and `@stream` as graphql-js 17 sends them: https://specs.apollo.dev/incremental/v0.2/."""

    INCREMENTAL_2022 = "multipart/mixed; deferSpec=20220824"
    """The same in the format of August 2022, which Apollo's clients name so: https://specs.apollo.dev/incremental/v0.1/."""

    SUBSCRIPTION = "multipart/mixed; subscriptionSpec=1.0"
    """https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol."""

    EVENT_STREAM = "text/event-stream"


_MAX_LENGTH = 1_024  # characters; browsers send 140
_MULTIPART = "multipart/mixed"
# Between commas, or between semicolons; those in a quoted value separate nothing: boundary="a,b".
_RANGE = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_PIECE = re.compile(r'(?:[^;"]|"[^"]*"?)+')
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
_HTML_OR_RESPONSE = frozenset({"text/html", _MULTIPART, *_FIRST_OF})
_SINGLE = frozenset(_ANY)
_INCREMENTAL = frozenset({MediaType.INCREMENTAL, MediaType.INCREMENTAL_2022})
_STREAMS = frozenset({MediaType.EVENT_STREAM, MediaType.SUBSCRIPTION})


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a client accepts, each of them the one that it prefers.

    `single`: for a response in one piece; JSON if the client accepts neither media type. `incremental`: for the parts
    of `@defer` and `@stream`. `stream`: for the responses of a subscription. `event_stream`: whether it prefers an
    event stream for an operation of any type. `nothing`: whether it accepts none of the media types.
    """

    single: MediaType
    incremental: MediaType | None
    stream: MediaType | None
    event_stream: bool
    nothing: bool


@lru_cache(256)
def accepted(accept: str) -> Accepted:
    """Return what a client with this header accepts; without the header JSON, as GraphQL over HTTP requires.

    A media type with more weight is preferred, or that which comes first. A wildcard matches the first media type that
    is not itself listed with `q=0` (RFC 9110, 12.5.1). `multipart/mixed` without a format matches the newest format of
    incremental delivery, and that of subscriptions; a format that is not known matches nothing. In a header of more
    than 1,024 characters nothing is accepted: parsing it would take time before the caller is known.
    """
    media_types = _media_types(accept) if accept.strip() else [MediaType.JSON]
    return Accepted(
        single=next((each for each in media_types if each in _SINGLE), MediaType.JSON),
        incremental=next((each for each in media_types if each in _INCREMENTAL), None),
        stream=next((each for each in media_types if each in _STREAMS), None),
        event_stream=media_types[:1] == [MediaType.EVENT_STREAM],
        nothing=not media_types,
    )


@lru_cache(256)
def prefers_html(accept: str) -> bool:
    """Whether a client prefers a page to all media types of responses, as a browser does that opens a URL."""
    names = [name for weight, name, _ in _ranges(accept) if weight > 0 and name in _HTML_OR_RESPONSE]
    return names[:1] == ["text/html"]


def _media_types(accept: str) -> list[MediaType]:
    """Return the accepted media types, the preferred ones first."""
    ranges = _ranges(accept)
    refused = {name for weight, name, _ in ranges if not weight > 0}
    if "application/*" in refused:
        refused.add("*/*")  # all that this could match here is application/*
    media_types: list[MediaType] = []
    for weight, name, parameters in ranges:
        if not weight > 0:
            continue
        if name == _MULTIPART:
            media_types += _formats(parameters)
        else:
            media_types += [each for each in _FIRST_OF.get(name, ()) if not {each, name} & refused][:1]
    return media_types


def _formats(parameters: list[tuple[str, str]]) -> list[MediaType]:
    """Return the formats that a range of `multipart/mixed` with these parameters matches."""
    named = [parameter for parameter in parameters if parameter[0] in _FORMAT_PARAMETERS]
    if not named:
        return [MediaType.INCREMENTAL, MediaType.SUBSCRIPTION]
    return [_FORMATS[parameter] for parameter in named if parameter in _FORMATS]


def _ranges(accept: str) -> list[tuple[float, str, list[tuple[str, str]]]]:
    """Return the media ranges of a header, those with more weight first: weight, name and parameters in lower case."""
    ranges = []
    for part in _RANGE.findall(accept.lower()) if len(accept) <= _MAX_LENGTH else ():
        name, *pieces = [piece.strip() for piece in _PIECE.findall(part)] or [""]
        pairs = (piece.partition("=") for piece in pieces)
        parameters = [(key.strip(), value.strip().strip('"')) for key, _, value in pairs]
        weight = next((_weight(value) for key, value in parameters if key == "q"), 1.0)
        ranges.append((weight, name, parameters))
    return sorted(ranges, key=lambda item: -item[0])


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
