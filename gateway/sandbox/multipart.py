"""A strict parser of multipart/form-data for bodies that were received completely."""

import re
from dataclasses import dataclass
from email.message import Message

__all__ = ["FormPart", "MalformedMultipartError", "parse_parts"]

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)


class MalformedMultipartError(ValueError):
    """The bytes are not a multipart body with the boundary of the Content-Type header."""


@dataclass(frozen=True, slots=True)
class FormPart:
    """One part of a form; `filename` is None for a form field that is not a file."""

    name: str
    filename: str | None
    content_type: str | None
    content: bytes


def parse_parts(content_type: str, body: bytes) -> list[FormPart]:
    """Split a body into its parts, in order. Raises MalformedMultipartError."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise MalformedMultipartError("Missing content-type boundary.")
    delimiter = b"\r\n--" + (found[1] or found[2]).encode()
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):  # noqa: PLR2004 (a preamble and a closing boundary)
        raise MalformedMultipartError("Unexpected end of Stream, the content may have already been read.")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> FormPart:
    head, blank, content = piece.partition(b"\r\n\r\n")
    if not blank:
        raise MalformedMultipartError("A part has no end of headers.")
    headers = Message()
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    field = headers.get_param("name", header="content-disposition")
    if not isinstance(field, str):
        raise MalformedMultipartError("A part has no name.")
    filename = headers.get_param("filename", header="content-disposition")
    content_type = headers.get("content-type")
    return FormPart(field, filename if isinstance(filename, str) else None, content_type, content)
